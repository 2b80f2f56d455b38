/** Tables as spreadsheets read them (RFC 4180). */

/** Each cell in quotes. What a spreadsheet would take for a formula gets an apostrophe, which makes it a text. */
export function csvOf(rows: string[][]): string {
  return rows.map((cells) => `${cells.map(cellOf).join(",")}\r\n`).join("");
}

function cellOf(text: string): string {
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return `"${safe.replaceAll('"', '""')}"`;
}
