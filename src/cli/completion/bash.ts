/** For bash, which knows words only. Where berth has nothing to offer, bash completes file names. */

import type { Place, Word } from "./tree.ts";

export function bashScript(places: readonly Place[]): string {
  const known = places.filter(({ path }) => path !== "").map(({ path }) => `"${path}"`);
  return `# bash completion for berth
_berth() {
  local current=\${COMP_WORDS[COMP_CWORD]} place="" word options="" commands=""
  COMPREPLY=()
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "\${place:+$place }$word" in
      ${known.join(" | ")}) place="\${place:+$place }$word" ;;
    esac
  done
  case "$place \${COMP_WORDS[COMP_CWORD-1]}" in
${places.flatMap(choicesOf).join("\n")}
  esac
  case "$place" in
${places.map(wordsOf).join("\n")}
  esac
  if [[ $current == -* ]]; then commands=$options; fi
  COMPREPLY=($(compgen -W "$commands" -- "$current"))
}
complete -o default -F _berth berth
`;
}

function choicesOf({ path, choices }: Place): string[] {
  return choices.map(({ option, values }) => {
    return `    "${path} ${option}") COMPREPLY=($(compgen -W "${values.join(" ")}" -- "$current")); return ;;`;
  });
}

function wordsOf({ path, commands, options, values }: Place): string {
  const first = [...texts(commands), ...values].join(" ");
  return `    "${path}") commands="${first}" options="${texts(options).join(" ")}" ;;`;
}

function texts(words: readonly Word[]): string[] {
  return words.map(({ text }) => text);
}
