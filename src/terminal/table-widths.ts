/** The least that a column is narrowed to. */
const least = 8;

/**
 * Widths of a table's columns for so many letters a line: as wide as their longest cell where that fits, else the widest are
 * narrowed first, all by the same measure.
 * @param longest letters of each column's longest cell
 * @param columns letters of a line
 * @param around letters that a column takes besides its cells: its border and the space on both sides
 */
export function columnWidths(longest: readonly number[], columns: number, around: number): number[] {
  const room = columns - 1 - around * longest.length;
  const narrowed = (cap: number): number[] => longest.map((width) => Math.min(width, Math.max(cap, least)));
  const total = (widths: readonly number[]): number => widths.reduce((sum, width) => sum + width, 0);
  let cap = Math.max(least, ...longest);
  while (cap > least && total(narrowed(cap)) > room) cap--;
  return narrowed(cap);
}

/** Letters of a table's line. */
export function lineLength(widths: readonly number[], around: number): number {
  return widths.reduce((sum, width) => sum + width + around, 1);
}

/**
 * A table too wide for its terminal, each row as a list: its first cell, and below it a line for each other cell that is not empty.
 * @param bold of a row's first cell
 */
export function records(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  columns: number,
  bold: (text: string) => string,
): string {
  const label = Math.min(Math.max(0, ...head.slice(1).map((cell) => cell.length)), Math.floor(columns / 2));
  const room = Math.max(least, columns - label - 4);
  const lines = rows.map(([first = "", ...cells]) => {
    const values = cells.flatMap((cell, i) => {
      if (cell === "") return [];
      const names = wrapped(head[i + 1] ?? "", label);
      const parts = wrapped(cell, room);
      const count = Math.max(names.length, parts.length);
      return Array.from({ length: count }, (_, at) =>
        `  ${(names[at] ?? "").padEnd(label)}  ${parts[at] ?? ""}`.trimEnd(),
      );
    });
    const title = first === "" ? [] : wrapped(first, Math.max(least, columns)).map(bold);
    return [...title, ...values].join("\n");
  });
  return lines.join("\n\n");
}

/** A cell in lines of so many letters, broken behind spaces, slashes and hyphens where there are any. */
export function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  let rest = text;
  while (rest.length > width) {
    const room = rest.slice(0, width + 1);
    const behind = Math.max(room.lastIndexOf(" "), room.slice(0, width).search(/[/-](?!.*[/-])/) + 1);
    const at = behind > 0 ? behind : width;
    lines.push(rest.slice(0, at).trimEnd());
    rest = rest.slice(at).trimStart();
  }
  return [...lines, rest];
}
