/**
 * The part of Markdown that READMEs use most, as components: what it holds is only ever a text or the address of a
 * link, so that no HTML in it becomes one. Pictures would be of other hosts, and are links.
 */

import type { Child } from "hono/jsx";

/** Of a README, what is shown. Characters. */
const MAX_TEXT = 50_000;

export function Markdown({ text }: { text: string }) {
  return <div class="readme">{blocks(text.slice(0, MAX_TEXT).replaceAll("\r\n", "\n").split("\n"))}</div>;
}

function blocks(lines: string[]): Child[] {
  const found: Child[] = [];
  for (let at = 0; at < lines.length; ) {
    const [block, next] = blockAt(lines, at);
    if (block !== null) found.push(block);
    at = next;
  }
  return found;
}

/** @returns the block that begins at a line, null for an empty one, and the line behind it */
function blockAt(lines: string[], at: number): [Child, number] {
  const line = lines[at] ?? "";
  if (line.trim() === "") return [null, at + 1];
  if (line.startsWith("```")) return fenceAt(lines, at);
  const [, marks, heading] = /^(#{1,6})\s+(.*?)\s*#*$/.exec(line) ?? [];
  // The page's own headings are above them.
  if (marks !== undefined) return [<Heading level={marks.length}>{inline(heading ?? "")}</Heading>, at + 1];
  if (/^(?:-{3,}|\*{3,})\s*$/.test(line)) return [<hr />, at + 1];
  if (ITEM.test(line)) return listAt(lines, at);
  const end = endOf(
    lines,
    at,
    (each) => each.trim() !== "" && !/^(?:```|#{1,6}\s)/.test(each) && !ITEM.test(each),
  );
  return [<p>{inline(lines.slice(at, end).join("\n"))}</p>, end];
}

const ITEM = /^\s{0,3}(?:[-*+]|\d{1,9}[.)])\s+/;

function endOf(lines: string[], at: number, belongs: (line: string) => boolean): number {
  let end = at + 1;
  while (end < lines.length && belongs(lines[end] ?? "")) end++;
  return end;
}

function fenceAt(lines: string[], at: number): [Child, number] {
  const end = endOf(lines, at, (line) => !line.startsWith("```"));
  return [
    <pre tabindex={0}>
      <code>{lines.slice(at + 1, end).join("\n")}</code>
    </pre>,
    end + 1,
  ];
}

function listAt(lines: string[], at: number): [Child, number] {
  const end = endOf(lines, at, (line) => ITEM.test(line));
  const items = lines.slice(at, end).map((line) => <li>{inline(line.replace(ITEM, ""))}</li>);
  return [/^\s*\d/.test(lines[at] ?? "") ? <ol>{items}</ol> : <ul>{items}</ul>, end];
}

function Heading({ level, children }: { level: number; children?: Child }) {
  return level <= 2 ? <h3>{children}</h3> : <h4>{children}</h4>;
}

/** Code, links and pictures, bold and italic: the first of them that a text has. No part can match in two ways. */
const INLINE =
  /`([^`\n]+)`|!?\[([^\]\n]{0,500})\]\(([^()\s]{1,1000})\)|\*\*([^*\n]+)\*\*|\*([^*\n]+)\*|(https?:\/\/[^\s<>()"']{1,1000})/g;

function inline(text: string): Child[] {
  const found: Child[] = [];
  let at = 0;
  for (const match of text.matchAll(INLINE)) {
    const [whole, code, label, target, bold, italic, url] = match;
    found.push(text.slice(at, match.index));
    at = match.index + whole.length;
    if (code !== undefined) found.push(<code>{code}</code>);
    else if (target !== undefined) found.push(<Link href={target}>{label || target}</Link>);
    else if (bold !== undefined) found.push(<strong>{bold}</strong>);
    else if (italic !== undefined) found.push(<em>{italic}</em>);
    else if (url !== undefined) found.push(<Link href={url}>{url}</Link>);
  }
  found.push(text.slice(at));
  return found;
}

/** To the web, and nowhere else: what is no such address is a text. */
export function Link({ href, children }: { href: string; children?: Child }) {
  if (!/^https?:\/\//i.test(href) || !URL.canParse(href)) return <>{children}</>;
  return (
    <a href={href} rel="nofollow noopener noreferrer">
      {children}
    </a>
  );
}
