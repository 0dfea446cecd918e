import { build, type KernelCase, random } from "./case.js";

interface Form {
  readonly title: string;
  readonly sizes: readonly number[];
  readonly x: readonly number[];
  readonly y: readonly number[];
  /** Where the first element is read. */
  readonly offset?: number;
}

const forms: readonly Form[] = [
  { title: "one number", sizes: [1], x: [1], y: [1] },
  { title: "a copy", sizes: [40_003], x: [1], y: [1] },
  { title: "backwards", sizes: [1001], x: [-1], y: [1], offset: 1000 },
  { title: "every third", sizes: [7, 333], x: [999, 3], y: [333, 1] },
  { title: "rows backwards", sizes: [5, 17], x: [-17, 1], y: [17, 1], offset: 68 },
  { title: "one number repeated", sizes: [3, 19], x: [0, 0], y: [19, 1] },
  { title: "a row repeated", sizes: [2, 3, 500, 23], x: [23, 0, 0, 1], y: [34_500, 11_500, 23, 1] },
  { title: "a transpose", sizes: [31, 67], x: [1, 31], y: [67, 1] },
  { title: "columns of a wider result", sizes: [9, 4], x: [4, 1], y: [11, 1] },
  { title: "every second of the result", sizes: [9, 4], x: [4, 1], y: [8, 2] },
  { title: "a result from its end", sizes: [9, 4], x: [4, 1], y: [4, 1] },
  // [2][3][2][4][5][6] with its axes in another order
  { title: "six axes", sizes: [3, 2, 5, 2, 6, 4], x: [240, 720, 6, 120, 1, 30], y: [480, 240, 48, 24, 4, 1] },
];

const six = (values: readonly number[], missing: number): readonly number[] => [
  ...Array<number>(6 - values.length).fill(missing),
  ...values,
];
const named = (prefix: string, values: readonly number[]) =>
  Object.fromEntries(values.map((value, axis) => [`${prefix}${axis}`, value]));

export const stridedCases: readonly KernelCase[] = forms.map(({ title, sizes, x: from, y: to, offset = 0 }) => {
  const reach = (steps: readonly number[]): number =>
    sizes.reduce((sum, size, axis) => sum + (size - 1) * Math.max(0, steps[axis]!), 1);
  const x = random(1, Math.max(offset + 1, reach(from) + offset));
  const before = random(2, reach(to));
  const after = Float64Array.from(before);
  const count = sizes.reduce((a, b) => a * b, 1);
  for (let i = 0; i < count; i++) {
    let [rest, read, written] = [i, offset, 0];
    for (let axis = sizes.length - 1; axis >= 0; axis--) {
      const index = rest % sizes[axis]!;
      rest = Math.floor(rest / sizes[axis]!);
      read += index * from[axis]!;
      written += index * to[axis]!;
    }
    after[written] = x[read]!;
  }
  return {
    kernel: "strided_copy",
    title,
    scalars: { ...named("size", six(sizes, 1)), ...named("x_step", six(from, 0)), ...named("y_step", six(to, 0)) },
    inputs: { x },
    offsets: { x: offset },
    outputs: { y: { before, after: build(after.length, (i) => after[i]!), relative: 0, absolute: 0 } },
  };
});
