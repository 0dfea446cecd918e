import { build, type KernelCase, random } from "./case.js";

interface Product {
  readonly batch: readonly [number, number];
  readonly rows: number;
  readonly depth: number;
  readonly columns: number;
  readonly aTransposed?: boolean;
  readonly bTransposed?: boolean;
  /** Operands that are the same along a batch axis. */
  readonly aShared?: readonly [boolean, boolean];
  readonly bShared?: readonly [boolean, boolean];
  readonly c?: "whole" | "row" | "column" | "one";
  readonly alpha?: number;
  readonly beta?: number;
  readonly relu?: boolean;
  /** The result is one of several side by side in rows of this many words. */
  readonly yRow?: number;
}

const products: readonly Product[] = [
  { batch: [1, 1], rows: 1, depth: 1, columns: 1 },
  { batch: [1, 1], rows: 1, depth: 70, columns: 130 },
  { batch: [1, 1], rows: 67, depth: 5, columns: 1 },
  { batch: [2, 3], rows: 9, depth: 17, columns: 33 },
  { batch: [2, 3], rows: 9, depth: 17, columns: 33, aTransposed: true },
  { batch: [2, 3], rows: 9, depth: 17, columns: 33, bTransposed: true, aShared: [false, true] },
  { batch: [3, 2], rows: 13, depth: 8, columns: 64, bShared: [true, false], relu: true },
  { batch: [1, 4], rows: 130, depth: 64, columns: 197, bTransposed: true, alpha: 0.125 },
  { batch: [1, 1], rows: 20, depth: 2500, columns: 40, aTransposed: true, bTransposed: true },
  { batch: [1, 1], rows: 12, depth: 9, columns: 70, c: "whole", alpha: 0.5, beta: 2 },
  { batch: [1, 1], rows: 12, depth: 9, columns: 70, c: "row", relu: true },
  { batch: [1, 1], rows: 12, depth: 1100, columns: 7, c: "column", beta: -1 },
  { batch: [2, 2], rows: 5, depth: 3, columns: 9, c: "one" },
  { batch: [1, 3], rows: 7, depth: 6, columns: 10, yRow: 31 },
];

/** Words from one element to the next along batch axes, rows and columns. */
function strides(p: Product, height: number, width: number, transposed = false, shared = [false, false]) {
  const size = height * width;
  const step1 = shared[1] ? 0 : size;
  const step0 = shared[0] ? 0 : shared[1] ? size : size * p.batch[1];
  const count = size * (shared[0] ? 1 : p.batch[0]) * (shared[1] ? 1 : p.batch[1]);
  return { step0, step1, row: transposed ? 1 : width, column: transposed ? height : 1, count };
}

const shapeOfC = { whole: [1, 1], row: [0, 1], column: [1, 0], one: [0, 0] } as const;

export const matmulCases: readonly KernelCase[] = products.map((p): KernelCase => {
  const { rows, depth, columns, alpha = 1, beta = 1, relu = false } = p;
  const a = strides(p, rows, depth, p.aTransposed, p.aShared as boolean[] | undefined);
  const b = strides(p, depth, columns, p.bTransposed, p.bShared as boolean[] | undefined);
  const [cRows, cColumns] = p.c ? shapeOfC[p.c] : [0, 0];
  const c_row = cRows * (cColumns ? columns : 1);
  const [x, w, added] = [random(1, a.count), random(2, b.count), random(3, rows * columns)];
  const yRow = p.yRow ?? columns;
  const inRow = Math.floor(yRow / columns);
  const y = p.yRow ? { step0: 0, step1: columns } : { step0: p.batch[1] * rows * columns, step1: rows * columns };
  const words = p.yRow ? rows * yRow : p.batch[0] * p.batch[1] * rows * columns;
  const before = random(4, words);
  const scale = new Float64Array(words).fill(1);
  const after = Float64Array.from(before);
  for (let i = 0; i < p.batch[0]; i++) {
    for (let j = 0; j < p.batch[1]; j++) {
      for (let row = 0; row < rows; row++) {
        for (let column = 0; column < columns; column++) {
          let [sum, size] = [0, 0];
          for (let k = 0; k < depth; k++) {
            const term =
              x[i * a.step0 + j * a.step1 + row * a.row + k * a.column]! *
              w[i * b.step0 + j * b.step1 + k * b.row + column * b.column]!;
            sum += term;
            size += Math.abs(term);
          }
          const plus = p.c ? beta * added[row * c_row + column * cColumns]! : 0;
          const at = i * y.step0 + j * y.step1 + row * yRow + column;
          after[at] = relu ? Math.max(0, alpha * sum + plus) : alpha * sum + plus;
          scale[at] = Math.abs(alpha) * size + Math.abs(plus);
        }
      }
    }
  }
  const steps = (name: string, s: { step0: number; step1: number }) => ({
    [`${name}_step0`]: s.step0,
    [`${name}_step1`]: s.step1,
  });
  return {
    kernel: "matmul_forward",
    title: JSON.stringify({ ...p, inRow }),
    scalars: {
      ...{ batch0: p.batch[0], batch1: p.batch[1], rows, depth, columns, alpha, beta, relu: relu ? 1 : 0 },
      ...steps("a", a),
      ...steps("b", b),
      ...steps("c", { step0: 0, step1: 0 }),
      ...steps("y", y),
      ...{ a_row: a.row, a_column: a.column, b_row: b.row, b_column: b.column },
      ...{ c_row, c_column: cColumns, y_row: yRow },
    },
    inputs: { a: x, b: w, ...(p.c && { c: added }) },
    outputs: { y: { before, after, relative: 0, absolute: 1e-6, scale } },
  };
});

/** A product whose inner dimension is long sums in parts: nothing is lost between them. */
export const longProductCases: readonly KernelCase[] = [1023, 1024, 1025, 3000].map((depth): KernelCase => {
  const [a, b] = [new Float32Array(depth).fill(1), Float32Array.from({ length: depth }, (_, k) => k % 7)];
  const size = { batch0: 1, batch1: 1, rows: 1, depth, columns: 1 };
  const none = { a_step0: 0, a_step1: 0, b_step0: 0, b_step1: 0, c_step0: 0, c_step1: 0, y_step0: 0, y_step1: 0 };
  const rows = { a_row: depth, a_column: 1, b_row: 1, b_column: 1, c_row: 0, c_column: 0, y_row: 1 };
  const sum = b.reduce((total, value) => total + value, 0);
  return {
    kernel: "matmul_forward",
    title: `Σ of ${depth} whole numbers`,
    scalars: { ...size, ...none, ...rows, alpha: 1, beta: 1, relu: 0 },
    inputs: { a, b },
    outputs: { y: { before: new Float32Array(1), after: build(1, () => sum), relative: 0, absolute: 0 } },
  };
});
