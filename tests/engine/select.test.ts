import { describe, expect, it } from "vitest";
import { f32, type NamedArray } from "#repvgg/core/named-arrays.js";
import { Rng } from "#repvgg/core/rng.js";
import { createSession } from "#repvgg/engine/session.js";
import { int, string } from "#repvgg/graph/attributes.js";
import { GraphBuilder, int64, valueInfo } from "#repvgg/graph/build.js";
import type { Graph } from "#repvgg/graph/graph.js";
import { normal, uniform } from "../graph/support.js";
import { engineBackends, expectCase, type NodeCase, runCase } from "./node-case.js";

const rng = new Rng(14);
const x = (...shape: number[]): NamedArray => normal(rng, shape);
/** Many equal numbers. */
const tied = (...shape: number[]): NamedArray => {
  const value = x(...shape);
  return f32(
    shape,
    (value.data as Float32Array).map((v) => Math.round(3 * v)),
  );
};
const longs = (shape: readonly number[], ...values: number[]): NamedArray => ({ ...int64(values), shape });

const tops = [
  { shape: [9], axis: 0, k: 9 },
  { shape: [3, 20], axis: -1, k: 5 },
  { shape: [2, 7, 4, 5], axis: 1, k: 3 },
  { shape: [2, 3, 6, 5], axis: 2, k: 1 },
  { shape: [1, 300, 3], axis: 1, k: 100 },
].flatMap(({ shape, axis, k }) =>
  [0, 1].map(
    (largest): NodeCase => ({
      op: "TopK",
      what: `${k} of [${shape}] along ${axis}, largest ${largest}`,
      inputs: [tied(...shape), int64([k])],
      attributes: { axis: int(axis), largest: int(largest) },
      outputs: ["f32", "i64"],
      opset: 11,
    }),
  ),
);

const sums = [
  { shape: [7], axis: 0 },
  { shape: [2, 5, 3], axis: 1 },
  { shape: [2, 3, 4, 5], axis: -3 },
].flatMap(({ shape, axis }) =>
  [0, 1].flatMap((exclusive) =>
    [0, 1].map(
      (reverse): NodeCase => ({
        op: "CumSum",
        what: `[${shape}] along ${axis}, exclusive ${exclusive}, reverse ${reverse}`,
        inputs: [x(...shape), longs([], axis)],
        attributes: { exclusive: int(exclusive), reverse: int(reverse) },
        opset: 14,
      }),
    ),
  ),
);

const gathers: readonly NodeCase[] = [
  {
    op: "GatherElements",
    what: "along an axis",
    inputs: [x(3, 4, 2), longs([3, 2, 2], 0, 3, 1, -1, 2, 2, 0, 1, -4, 3, 1, 0)],
    attributes: { axis: int(1) },
  },
  { op: "GatherElements", what: "of some", inputs: [x(3, 4), longs([2, 2], 2, 0, -1, 1)] },
  { op: "GatherND", what: "elements", inputs: [x(3, 4), longs([3, 2], 0, 1, 2, -1, 1, 0)] },
  { op: "GatherND", what: "rows", inputs: [x(3, 4, 5), longs([2, 2, 1], 2, 0, 1, -1)] },
  { op: "GatherND", what: "by batch", inputs: [x(2, 3, 4), longs([2, 1], 2, 0)], attributes: { batch_dims: int(1) } },
];

const scatters = ["none", "add", "mul", "max", "min"].flatMap((reduction): NodeCase[] => {
  const attributes = { reduction: string(reduction) };
  const twice = reduction === "none" ? [2, 0, 1] : [2, 0, 2];
  return [
    {
      op: "ScatterElements",
      what: `${reduction}, along an axis`,
      inputs: [x(4, 3), longs([3, 2], ...twice, 3, -1, 1), x(3, 2)],
      computed: [0, 2],
      attributes,
      opset: 18,
    },
    {
      op: "ScatterElements",
      what: `${reduction}, constant updates`,
      inputs: [x(2, 5), longs([2, 2], 1, 3, 0, -1), x(2, 2)],
      attributes: { ...attributes, axis: int(1) },
      opset: 18,
    },
    {
      op: "ScatterND",
      what: `${reduction}, rows`,
      inputs: [x(4, 3, 2), longs([3, 1], ...twice), x(3, 3, 2)],
      computed: [0, 2],
      attributes,
      opset: 18,
    },
    {
      op: "ScatterND",
      what: `${reduction}, elements into a constant`,
      inputs: [x(4, 3), longs([3, 2], 0, 1, 3, -1, 2, 2), x(3)],
      computed: [2],
      attributes,
      opset: 18,
    },
  ];
});

const suppressions = [0, 1].flatMap((center) =>
  [
    { batch: 1, classes: 1, boxes: 30, limit: 10, iou: 0.5, score: undefined },
    { batch: 1, classes: 2, boxes: 20, limit: 1000, iou: 0.9, score: undefined },
    { batch: 2, classes: 3, boxes: 50, limit: 1000, iou: 0.2, score: 0.3 },
    { batch: 1, classes: 2, boxes: 6, limit: 3, iou: 0.9, score: 2 },
  ].map(
    ({ batch, classes, boxes, limit, iou, score }): NodeCase => ({
      op: "NonMaxSuppression",
      what: `${limit} of ${batch} × ${classes} × ${boxes}, center_point_box ${center}`,
      inputs: [
        uniform(rng, [batch, boxes, 4], 0, 1),
        uniform(rng, [batch, classes, boxes], 0, 1),
        int64([limit]),
        f32([1], Float32Array.of(iou)),
        score === undefined ? undefined : f32([1], Float32Array.of(score)),
      ],
      computed: [0, 1],
      attributes: { center_point_box: int(center) },
      outputs: ["i64"],
      opset: 11,
    }),
  ),
);

describe.each(engineBackends)("on $name", ({ backend }) => {
  it.each([...tops, ...sums, ...gathers, ...scatters, ...suppressions])("$op $what", (c) => expectCase(backend, c));

  it("computes only the output of TopK that is read", () => {
    const c: NodeCase = { op: "TopK", inputs: [x(2, 5), int64([2])], opset: 11, outputs: ["f32"] };
    expect(Object.keys(runCase(backend, c))).toEqual(["o0"]);
  });

  it("names an index beyond its axis", () => {
    const beyond: NodeCase = { op: "GatherND", inputs: [x(3, 4), longs([1, 1], 3)] };
    expect(() => runCase(backend, beyond)).toThrow(/indices from -3 to 2 in GatherND "node", received 3/);
  });

  it("refuses to go on from what NonMaxSuppression selects, and to write it where its size is not known", () => {
    const [boxes, scores] = [x(1, 4, 4), x(1, 1, 4)];
    const build = (b: GraphBuilder): void => {
      b.constant("limit", int64([2]));
      b.add("NonMaxSuppression", "selected", ["boxes", "scores", "limit"]);
      b.add("Relu", "y", ["selected"]);
    };
    const graph = (output: string): Graph => {
      const b = new GraphBuilder();
      build(b);
      const inputs = [valueInfo("boxes", boxes.shape), valueInfo("scores", scores.shape)];
      return b.graph("g", inputs, [{ name: output, dtype: "f32", shape: undefined }]);
    };
    expect(() => createSession(graph("y"), { backend })).toThrow(
      /"selected", whose (size|shape) depends on what is computed/,
    );
    const session = createSession(graph("selected"), { backend });
    const values = Object.fromEntries(
      Object.entries({ boxes, scores }).map(([name, { shape, data }]) => [name, { shape, data: data as Float32Array }]),
    );
    expect(session.run(values)["selected"]!.shape[1]).toBe(3);
    expect(() => session.runInto(values, { selected: new Float32Array(6) })).toThrow(/use run\(\)/);
    session.dispose();
  });
});
