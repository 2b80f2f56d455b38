/** What a manifest names as an index, and what refers to it. */

import type { Referrer } from "../../storage/browse/image.ts";
import type { View } from "../context.ts";
import { markOf } from "../marks.ts";
import type { ShownDescriptor } from "../oci-json.ts";
import { placePath } from "./navigation.tsx";
import { Bytes, ShortDigest } from "./values.tsx";

interface PlatformsProps {
  view: View;
  name: string;
  manifests: ShownDescriptor[];
}

export function Platforms({ view, name, manifests }: PlatformsProps) {
  const { texts } = view;
  if (manifests.length === 0) return <p>{texts.emptyIndex}</p>;
  return (
    <section>
      <h2>{texts.platforms}</h2>
      <table class="stack">
        <caption class="visually-hidden">{texts.platforms}</caption>
        <thead>
          <tr>
            <th scope="col">{texts.platform}</th>
            <th scope="col">{texts.digest}</th>
            <th scope="col">{texts.kind}</th>
          </tr>
        </thead>
        <tbody>
          {manifests.map(({ platform, digest, mediaType, artifactType, annotations }) => (
            <tr>
              <th scope="row">
                <a href={placePath("image", name, digest)}>{platform ?? texts.noPlatform}</a>
              </th>
              <td data-label={texts.digest}>
                <ShortDigest digest={digest} />
              </td>
              <td class="wrap" data-label={texts.kind}>
                {annotations.find(([key]) => key === "vnd.docker.reference.type")?.[1] ??
                  artifactType ??
                  mediaType}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

interface ReferrersProps {
  view: View;
  name: string;
  /** Of what they refer to. */
  digest: string;
  /** Of all depths. */
  referrers: Referrer[];
}

export function Referrers({ view, name, digest, referrers }: ReferrersProps) {
  if (referrers.length === 0) return null;
  return (
    <section>
      <h2>{view.texts.referrers}</h2>
      <Tree view={view} name={name} digest={digest} referrers={referrers} />
    </section>
  );
}

function Tree({ view, name, digest, referrers }: ReferrersProps) {
  const here = referrers.filter(({ subject }) => subject === digest);
  if (here.length === 0) return null;
  return (
    <ul class="tree">
      {here.map((referrer) => {
        const mark = markOf(referrer.artifactType);
        return (
          <li>
            {mark === null ? null : <span class="mark good">{view.texts.marks[mark]}</span>}
            <a href={placePath("image", name, referrer.digest)}>
              {referrer.artifactType ?? referrer.mediaType}
            </a>{" "}
            <ShortDigest digest={referrer.digest} /> <Bytes view={view} bytes={referrer.size} />
            <Tree view={view} name={name} digest={referrer.digest} referrers={referrers} />
          </li>
        );
      })}
    </ul>
  );
}
