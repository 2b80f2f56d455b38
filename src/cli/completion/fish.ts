/** For fish, which takes a line for each word. */

import type { Place } from "./tree.ts";

export function fishScript(places: readonly Place[]): string {
  const known = places.filter(({ path }) => path !== "").map(({ path }) => quote(path));
  const lines = places.flatMap((place) => {
    const here = `complete -c berth -n ${quote(`test "$(__berth_place)" = ${JSON.stringify(place.path)}`)}`;
    const choices = new Map(place.choices.map(({ option, values }) => [option, values]));
    return [
      ...place.commands.map(({ text, says }) => `${here} -f -a ${quote(text)} -d ${quote(says)}`),
      ...place.values.map((value) => `${here} -f -a ${quote(value)}`),
      ...place.options.map(({ text, says }) => {
        const name = text.startsWith("--") ? `-l ${text.slice(2)}` : `-s ${text.slice(1)}`;
        const values = choices.get(text);
        const takes = values === undefined ? "" : ` -x -a ${quote(values.join(" "))}`;
        return `${here} ${name}${takes} -d ${quote(says)}`;
      }),
    ];
  });
  return `# fish completion for berth
function __berth_place
  set -l place ""
  for word in (commandline -opc)[2..]
    set -l next (string trim -- "$place $word")
    contains -- $next ${known.join(" ")}; and set place $next
  end
  echo $place
end
${lines.join("\n")}
`;
}

function quote(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}
