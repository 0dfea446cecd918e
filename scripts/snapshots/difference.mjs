/** Lines around a change that are shown. */
const context = 2;

/**
 * The lines that differ between two texts, `-` before and `+` after, with their neighbours; "" where nothing does.
 * An undefined text is a file that is not there.
 */
export function difference(before, after) {
  if (before === after) return "";
  const [a, b] = [before, after].map((text) => (text === undefined ? [] : text.split("\n")));
  let start = 0;
  while (start < Math.min(a.length, b.length) && a[start] === b[start]) start++;
  let same = 0; // lines at the end
  while (same < Math.min(a.length, b.length) - start && a.at(-1 - same) === b.at(-1 - same)) same++;
  const lines = [
    ...a.slice(0, start).map((line) => `  ${line}`),
    ...changes(a.slice(start, a.length - same), b.slice(start, b.length - same)),
    ...a.slice(a.length - same).map((line) => `  ${line}`),
  ];
  const near = (index) =>
    lines.slice(Math.max(0, index - context), index + context + 1).some((line) => line[0] !== " ");
  return lines
    .map((line, index) => (near(index) ? line : undefined))
    .filter((line, index, all) => line !== undefined || (index > 0 && all[index - 1] !== undefined))
    .map((line) => line ?? "  …")
    .join("\n");
}

/** By the longest common subsequence of lines. */
function changes(a, b) {
  const length = Array.from({ length: a.length + 1 }, () => new Uint32Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      length[i][j] = a[i] === b[j] ? length[i + 1][j + 1] + 1 : Math.max(length[i + 1][j], length[i][j + 1]);
    }
  }
  const lines = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      lines.push(`  ${a[i++]}`);
      j++;
    } else if (i < a.length && (j === b.length || length[i + 1][j] >= length[i][j + 1])) lines.push(`- ${a[i++]}`);
    else lines.push(`+ ${b[j++]}`);
  }
  return lines;
}
