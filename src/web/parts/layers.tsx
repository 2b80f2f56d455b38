/** The layers of an image: how large each is, what made it, and where else it is. */

import type { RepositoryName } from "../../oci/reference.ts";
import type { View } from "../context.ts";
import { commandsOf, type ShownConfig, type ShownManifest } from "../oci-json.ts";
import { placePath, repositoryPath } from "./navigation.tsx";
import { Bar, Bytes, ShortDigest } from "./values.tsx";

interface Props {
  view: View;
  name: string;
  manifest: ShownManifest;
  config: ShownConfig | null;
  elsewhere: Map<string, RepositoryName[]>;
}

export function Layers({ view, name, manifest, config, elsewhere }: Props) {
  const { texts } = view;
  const { layers } = manifest;
  if (layers.length === 0) return null;
  const largest = Math.max(...layers.map(({ size }) => size));
  const commands = commandsOf(config, layers.length);
  return (
    <section>
      <h2>{texts.layers}</h2>
      <table class="stack">
        <caption class="visually-hidden">{texts.layers}</caption>
        <thead>
          <tr>
            <th scope="col" class="number">
              #
            </th>
            <th scope="col" class="number">
              {texts.size}
            </th>
            <th scope="col">{config === null ? texts.kind : texts.madeBy}</th>
            <th scope="col">{texts.digest}</th>
            <th scope="col">{texts.sharedWith}</th>
          </tr>
        </thead>
        <tbody>
          {layers.map(({ digest, size, mediaType, annotations }, index) => (
            <tr>
              <td class="number" data-label="#">
                {index + 1}
              </td>
              <td class="number" data-label={texts.size}>
                <Bytes view={view} bytes={size} />
                <Bar part={size} whole={largest} />
              </td>
              <td class="wrap" data-label={config === null ? texts.kind : texts.madeBy}>
                <code>{commands[index] || titleOf(annotations) || mediaType}</code>
              </td>
              <td data-label={texts.digest}>
                <ShortDigest digest={digest} />{" "}
                <a href={placePath("layer", name, digest)} aria-label={texts.filesOf(index + 1)}>
                  {texts.files}
                </a>
              </td>
              <td class="wrap" data-label={texts.sharedWith}>
                <Others names={elsewhere.get(digest) ?? []} view={view} here={name} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

/** What ORAS calls a file. */
function titleOf(annotations: [string, string][]): string | undefined {
  return annotations.find(([key]) => key === "org.opencontainers.image.title")?.[1];
}

function Others({ view, names, here }: { view: View; names: RepositoryName[]; here: string }) {
  const others = names.filter((name) => name !== here);
  if (others.length === 0) return <span class="muted">{view.texts.nowhereElse}</span>;
  return (
    <ul class="plain">
      {others.map((name) => (
        <li>
          <a href={repositoryPath(name)}>{name}</a>
        </li>
      ))}
    </ul>
  );
}
