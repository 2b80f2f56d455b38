/** Tags, with what each names. Two of them can be chosen, to be compared. */

import type { View } from "../context.ts";
import { MARKS, type Mark } from "../marks.ts";
import { placePath } from "./navigation.tsx";
import { Age, Bar, Bytes, Pulled, ShortDigest } from "./values.tsx";

export interface Row {
  name: string;
  updatedAt: number;
  digest: string;
  bytes: number;
  pushedBy: string | null;
  pulledAt: number | null;
  platforms: string[];
  marks: Mark[];
}

interface Props {
  view: View;
  name: string;
  tags: Row[];
  deletable: boolean;
}

export function TagTable({ view, name, tags, deletable }: Props) {
  const { texts } = view;
  const largest = Math.max(...tags.map(({ bytes }) => bytes), 0);
  return (
    <form method="get" action={placePath("compare", name)}>
      <table class="stack">
        <caption class="visually-hidden">{texts.tags}</caption>
        <thead>
          <tr>
            <th scope="col">{texts.compare}</th>
            <th scope="col">{texts.tag}</th>
            <th scope="col">{texts.digest}</th>
            <th scope="col">{texts.platforms}</th>
            <th scope="col" class="number">
              {texts.size}
            </th>
            <th scope="col">{texts.pushed}</th>
            <th scope="col">{texts.lastPull}</th>
            <th scope="col">{texts.attached}</th>
            {deletable ? <th scope="col">{texts.change}</th> : null}
          </tr>
        </thead>
        <tbody>
          {tags.map((tag) => (
            <TagRow view={view} name={name} tag={tag} largest={largest} deletable={deletable} />
          ))}
        </tbody>
      </table>
      {tags.length < 2 ? null : (
        <p>
          <button type="submit" class="quiet">
            {texts.compareChosen}
          </button>
        </p>
      )}
    </form>
  );
}

interface RowProps {
  view: View;
  name: string;
  tag: Row;
  largest: number;
  deletable: boolean;
}

function TagRow({ view, name, tag, largest, deletable }: RowProps) {
  const { texts } = view;
  return (
    <tr>
      <td data-label={texts.compare}>
        <input type="checkbox" name="tag" value={tag.name} aria-label={texts.chooseTag(tag.name)} />
      </td>
      <th scope="row">
        <a href={placePath("image", name, tag.name)}>{tag.name}</a>
      </th>
      <td data-label={texts.digest}>
        <ShortDigest digest={tag.digest} />
      </td>
      <td data-label={texts.platforms}>
        {tag.platforms.length === 0 ? (
          <span class="muted">{texts.onePlatform}</span>
        ) : (
          tag.platforms.join(", ")
        )}
      </td>
      <td class="number" data-label={texts.size}>
        <Bytes view={view} bytes={tag.bytes} />
        <Bar part={tag.bytes} whole={largest} />
      </td>
      <td data-label={texts.pushed}>
        <Age view={view} at={tag.updatedAt} />
        {tag.pushedBy === null ? null : <span class="muted">{` ${texts.by(tag.pushedBy)}`}</span>}
      </td>
      <td data-label={texts.lastPull}>
        <Pulled view={view} at={tag.pulledAt} />
      </td>
      <td data-label={texts.attached}>
        <Marks view={view} marks={tag.marks} />
      </td>
      {deletable ? (
        <td data-label={texts.change}>
          <a href={placePath("delete", name, tag.name)} aria-label={texts.deleteTag(tag.name)}>
            {texts.delete}
          </a>
        </td>
      ) : null}
    </tr>
  );
}

export function Marks({ view, marks }: { view: View; marks: Mark[] }) {
  if (marks.length === 0) return <span class="muted">{view.texts.nothing}</span>;
  return (
    <>
      {MARKS.filter((mark) => marks.includes(mark)).map((mark) => (
        <span class="mark good">{view.texts.marks[mark]}</span>
      ))}
    </>
  );
}
