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
