/** For zsh, which shows what each word is for. */

import type { Place, Word } from "./tree.ts";

export function zshScript(places: readonly Place[]): string {
  const known = places.filter(({ path }) => path !== "").map(({ path }) => quote(path));
  return `#compdef berth
_berth() {
  local place="" word
  for word in "\${(@)words[2,CURRENT-1]}"; do
    case "\${place:+$place }$word" in
      ${known.map((path) => `(${path})`).join(" | ")}) place="\${place:+$place }$word" ;;
    esac
  done
  local -a commands options values
  case "$place $words[CURRENT-1]" in
${places.flatMap(choicesOf).join("\n")}
  esac
  case "$place" in
${places.map(wordsOf).join("\n")}
  esac
  if [[ $words[CURRENT] == -* ]]; then _describe option options
  elif (( $#commands )); then _describe command commands
  elif (( $#values )); then compadd -a values
  else _files
  fi
}
if [ "$funcstack[1]" = _berth ]; then _berth "$@"; else compdef _berth berth; fi
`;
}

function choicesOf({ path, choices }: Place): string[] {
  return choices.map(({ option, values }) => {
    return `    (${quote(`${path} ${option}`)}) compadd -- ${values.map(quote).join(" ")}; return ;;`;
  });
}

function wordsOf({ path, commands, options, values }: Place): string {
  return `    (${quote(path)}) commands=(${described(commands)}) options=(${described(options)}) values=(${values.map(quote).join(" ")}) ;;`;
}

/** _describe splits at the first colon that no backslash stands before. */
function described(words: readonly Word[]): string {
  return words
    .map(({ text, says }) => quote(`${text.replaceAll(":", "\\:")}:${says.replaceAll("\n", " ")}`))
    .join(" ");
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
