/** How to pull, to copy. */

import type { View } from "../context.ts";

export function Command({ view, command }: { view: View; command: string }) {
  return (
    <div class="command">
      <code>{command}</code>
      <button
        type="button"
        class="quiet small"
        hidden
        data-copy
        data-copied={view.texts.copied}
        data-selected={view.texts.selected}
        aria-label={view.texts.copyCommand(command)}
      >
        {view.texts.copy}
      </button>
    </div>
  );
}

interface PullProps {
  view: View;
  name: string;
  /** Null for what is only known by its digest. */
  tag: string | null;
  digest: string;
}

export function PullCommands({ view, name, tag, digest }: PullProps) {
  const image = `${view.host}/${name}`;
  const reference = tag === null ? `${image}@${digest}` : `${image}:${tag}`;
  const commands = [
    `docker pull ${reference}`,
    `podman pull ${reference}`,
    `ctr images pull ${reference}`,
    ...(tag === null ? [] : [`docker pull ${image}@${digest}`]),
  ];
  return (
    <section>
      <h2>{view.texts.pull}</h2>
      {commands.map((command) => (
        <Command view={view} command={command} />
      ))}
    </section>
  );
}
