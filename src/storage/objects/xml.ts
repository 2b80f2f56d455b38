/** The few lines of XML that object stores speak. */

import { parseXml, XmlElement } from "@rgrove/parse-xml";

/** The root of a document. @throws Error when it is none */
export function rootOf(text: string): XmlElement {
  const { root } = parseXml(text);
  if (root === null) throw new Error("an XML document without a root");
  return root;
}

/** The children of that name. */
export function childrenOf(element: XmlElement, name: string): XmlElement[] {
  return element.children.filter(
    (child): child is XmlElement => child instanceof XmlElement && child.name === name,
  );
}

/** The text of the child of that name; null when there is none. */
export function textOf(element: XmlElement, name: string): string | null {
  return childrenOf(element, name)[0]?.text ?? null;
}

/** The text of the root's child of that name; null when there is none, or no XML at all. */
export function textAt(text: string, name: string): string | null {
  try {
    return textOf(rootOf(text), name);
  } catch {
    return null;
  }
}

/** Text as it may stand in a document. */
export function escapeXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
