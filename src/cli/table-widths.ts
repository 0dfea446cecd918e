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
