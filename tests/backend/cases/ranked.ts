import { flags, type KernelCase, random } from "./case.js";

const exact = { relative: 0, absolute: 0 };

/** Numbers of which many are equal, with zeros of both signs and the largest that there are. */
function tied(seed: number, length: number): Float32Array {
  const special = [0, -0, 3e38, -3e38, 1e-40, -1e-40];
  return random(seed, length).map((value, i) => (i % 5 === 2 ? special[(i * 7) % 6]! : Math.round(value * 20) / 20));
}

const forms = [
  [1, 1, 1, 1],
  [2, 9, 1, 4],
  [3, 17, 5, 17],
  [1, 1000, 3, 100],
  [2, 4000, 1, 1],
  [40, 30, 7, 30],
] as const;

const topCases = forms.flatMap(([outer, size, inner, k]) =>
  flags.flatMap((largest) =>
    [true, false].map((indexed): KernelCase => {
      const x = tied(1, outer * size * inner);
      const [values, indices] = [new Float64Array(outer * k * inner), new Float64Array(outer * k * inner)];
      for (let row = 0; row < outer * inner; row++) {
        const [o, lane] = [Math.floor(row / inner), row % inner];
        const value = (i: number): number => x[(o * size + i) * inner + lane]!;
        const order = Array.from({ length: size }, (_, i) => i).sort((a, b) => {
          if (value(a) === value(b)) return a - b;
          return value(a) > value(b) === (largest === 1) ? -1 : 1;
        });
        for (let at = 0; at < k; at++) {
          values[(o * k + at) * inner + lane] = value(order[at]!);
          indices[(o * k + at) * inner + lane] = order[at]!;
        }
      }
      const before = random(2, values.length);
      const after = indexed ? indices : values;
      return {
        kernel: "top_k_forward",
        title: `${k} of [${outer}][${size}][${inner}], largest ${largest}, ${indexed ? "indices" : "values"}`,
        scalars: { outer, size, inner, k, largest },
        inputs: { x },
        outputs: indexed ? { indices: { before, after, ...exact } } : { y: { before, after, ...exact } },
      };
    }),
  ),
);

interface Suppression {
  readonly batch: number;
  readonly classes: number;
  readonly boxes: number;
  readonly limit: number;
  readonly iou: number;
  readonly threshold: number;
}

const suppressions: readonly Suppression[] = [
  { batch: 1, classes: 1, boxes: 1, limit: 1, iou: 0.5, threshold: 0 },
  { batch: 2, classes: 3, boxes: 40, limit: 10, iou: 0.3, threshold: 0.1 },
  { batch: 1, classes: 2, boxes: 300, limit: 300, iou: 0.5, threshold: Number.NEGATIVE_INFINITY },
  { batch: 1, classes: 1, boxes: 7, limit: 3, iou: 0, threshold: 2 },
];

/** [y0, x0, y1, x1] in order, from corners in any order or from (x, y, width, height). */
function corners(box: readonly number[], centers: number): readonly [number, number, number, number] {
  const [a, b, c, d] = box as [number, number, number, number];
  if (centers) return [b - d / 2, a - c / 2, b + d / 2, a + c / 2];
  return [Math.min(a, c), Math.min(b, d), Math.max(a, c), Math.max(b, d)];
}

function intersectionOverUnion(a: readonly number[], b: readonly number[], centers: number): number {
  const [p, q] = [corners(a, centers), corners(b, centers)];
  const height = Math.max(0, Math.min(p[2], q[2]) - Math.max(p[0], q[0]));
  const width = Math.max(0, Math.min(p[3], q[3]) - Math.max(p[1], q[1]));
  const area = (box: readonly number[]): number => (box[2]! - box[0]!) * (box[3]! - box[1]!);
  const both = height * width;
  return both > 0 ? both / (area(p) + area(q) - both) : 0;
}

const suppressionCases = suppressions.flatMap((s) =>
  flags.flatMap((centers): KernelCase[] => {
    const boxes = random(1, s.batch * s.boxes * 4, 0, 1);
    const scores = random(2, s.batch * s.classes * s.boxes, 0, 1).map((score) => Math.round(score * 50) / 50);
    const rows = s.batch * s.classes;
    const chosen = random(3, rows * (1 + s.limit));
    const lists: number[][] = [];
    for (let row = 0; row < rows; row++) {
      const n = Math.floor(row / s.classes);
      const box = (i: number) => [...boxes.subarray((n * s.boxes + i) * 4, (n * s.boxes + i + 1) * 4)];
      const score = (i: number): number => scores[row * s.boxes + i]!;
      const list: number[] = [];
      const order = Array.from({ length: s.boxes }, (_, i) => i).sort((a, b) => score(b) - score(a) || a - b);
      for (const i of order) {
        if (list.length === s.limit || !(score(i) > s.threshold)) break;
        if (list.every((j) => intersectionOverUnion(box(i), box(j), centers) <= s.iou)) list.push(i);
      }
      lists.push(list);
    }
    const after = Float64Array.from(chosen);
    for (const [row, list] of lists.entries()) after.set([list.length, ...list], row * (1 + s.limit));
    const listed = lists.flatMap((list, row) => list.flatMap((i) => [Math.floor(row / s.classes), row % s.classes, i]));
    const all = new Float64Array(rows * s.limit * 3);
    all.set(listed);
    const title = `${s.limit} of ${s.batch} × ${s.classes} × ${s.boxes}, centers ${centers}`;
    const sizes = { classes: s.classes, limit: s.limit };
    return [
      {
        kernel: "non_max_suppression_forward",
        title,
        scalars: {
          ...{ ...sizes, batch: s.batch, boxes: s.boxes, centers },
          ...{ iou_threshold: Math.fround(s.iou), score_threshold: Math.fround(s.threshold) },
        },
        inputs: { boxes_at: boxes, scores },
        outputs: { chosen: { before: chosen, after, ...exact } },
      },
      {
        kernel: "non_max_suppression_list",
        title,
        scalars: { ...sizes, rows },
        inputs: { chosen: Float32Array.from(after) },
        outputs: {
          y: { before: random(4, all.length), after: all, ...exact },
          count: { before: new Float32Array(1), after: Float64Array.of(listed.length / 3), ...exact },
        },
      },
    ];
  }),
);

export const rankedCases: readonly KernelCase[] = [...topCases, ...suppressionCases];
