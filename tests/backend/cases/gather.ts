import { build, type KernelCase, random } from "./case.js";

const exact = { relative: 0, absolute: 0 };
const notAnIndex = [Number.NaN, 1e30, -1e30];

/** [outer, size, inner, count] */
const sizes = [
  [1, 1, 1, 1],
  [2, 5, 3, 7],
  [3, 4, 17, 2],
  [1, 1000, 40, 900],
  [5, 9, 1, 4000],
] as const;

/** Indices from −size to size − 1, and where `wrong`, one that is none in the middle. */
function indicesOf(length: number, size: number, wrong: number | undefined): Float32Array {
  const indices = random(3, length, -size, size).map(Math.floor);
  if (wrong !== undefined) indices[length >> 1] = wrong;
  return indices;
}

const placeOf = (index: number, size: number): number => (index < 0 ? index + size : index);

export const gatherCases: readonly KernelCase[] = sizes.flatMap(([outer, size, inner, count]) =>
  [undefined, size, -size - 1, ...notAnIndex].flatMap((wrong) => {
    const x = random(1, outer * size * inner);
    const words = outer * count * inner;
    const status = { before: Float32Array.of(0), after: [wrong === undefined ? 0 : 1], ...exact };
    const build1 = (kernel: "gather_forward" | "gather_elements_forward", each: boolean): KernelCase => {
      const indices = indicesOf(each ? words : count, size, wrong);
      const after = build(words, (i) => {
        const row = Math.floor(i / inner);
        const place = placeOf(indices[each ? i : row % count]!, size);
        return x[(Math.floor(row / count) * size + place) * inner + (i % inner)] ?? Number.NaN;
      });
      // What lies behind one row's end is another's number: only whole indices inside are the oracle's.
      const valid = (i: number): boolean => {
        const place = placeOf(indices[each ? i : Math.floor(i / inner) % count]!, size);
        return place >= 0 && place < size;
      };
      return {
        kernel,
        title: `[${outer}][${size}][${inner}], ${count} indices${wrong === undefined ? "" : `, one ${wrong}`}`,
        scalars: { outer, size, inner, count },
        inputs: { x, indices },
        outputs: {
          y: { before: random(2, words), after: after.map((value, i) => (valid(i) ? value : Number.NaN)), ...exact },
          status,
        },
      };
    };
    return [build1("gather_forward", false), build1("gather_elements_forward", true)];
  }),
);

export const rangeCases: readonly KernelCase[] = [1, 17, 40_003].flatMap((n) =>
  [undefined, -2.5, 7.5, Number.NaN, Number.POSITIVE_INFINITY].map((wrong): KernelCase => {
    const x = random(n, n, -2, 7);
    if (wrong !== undefined) x[n - 1] = wrong;
    return {
      kernel: "check_range",
      title: `n = ${n}, ${wrong ?? "all inside"}`,
      scalars: { n, low: -2, high: 7 },
      inputs: { x },
      outputs: { status: { before: Float32Array.of(0), after: [wrong === undefined ? 0 : 1], ...exact } },
    };
  }),
);
