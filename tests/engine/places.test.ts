import { describe, expect, it } from "vitest";
import { elementCount, type NamedArray } from "#repvgg/core/named-arrays.js";
import { createSession } from "#repvgg/engine/session.js";
import { int, string } from "#repvgg/graph/attributes.js";
import { int64, valueInfo } from "#repvgg/graph/build.js";
import type { Graph } from "#repvgg/graph/graph.js";
import { backendOf } from "../tensor/backends.js";
import { expectAsDefined, randomArray } from "./compare.js";
import { expectCase, graphOfCase, type NodeCase, planOfCase, runCase } from "./node-case.js";

const backend = backendOf(2);

/** Index tuples into axes of these sizes: every index once before one comes again, from either end. */
function tuples(shape: readonly number[], sizes: readonly number[]): NamedArray {
  const data = Array.from({ length: elementCount(shape) / sizes.length }, (_, at) =>
    sizes.map((size, axis) => ((5 * at + 3 * axis + 1) % (2 * size)) - size),
  );
  return { ...int64(data.flat()), shape };
}

const shapes = [[5], [4, 3], [3, 4, 2], [2, 3, 2, 2]];
const withoutOnnxRuntime = true;

/** GatherND of every depth and with every number of batch axes, its indices in lists and in tables. */
const gathers = shapes.flatMap((shape) =>
  shape.flatMap((_, batch) =>
    shape.slice(batch).flatMap((_, i) =>
      [[3], [2, 2]].map((list): NodeCase & { readonly what: string } => {
        const depth = i + 1;
        const indices = tuples([...shape.slice(0, batch), ...list, depth], shape.slice(batch, batch + depth));
        return {
          op: "GatherND",
          what: `of [${shape}] by [${indices.shape}], batch ${batch}`,
          inputs: [randomArray(`${shape}`, shape), indices],
          attributes: { batch_dims: int(batch) },
          withoutOnnxRuntime,
        };
      }),
    ),
  ),
);

const scatters = shapes.flatMap((shape) =>
  ["none", "add", "mul", "max", "min"].flatMap((reduction, r) => {
    const attributes = { reduction: string(reduction) };
    const lists = reduction === "none" ? [[1], [1, 1]] : [[3], [2, 2]];
    const rows = shape.flatMap((_, i) =>
      lists.map((list): NodeCase & { readonly what: string } => {
        const depth = i + 1;
        const indices = tuples([...list, depth], shape.slice(0, depth));
        const updates = randomArray(`${shape}u${depth}`, [...list, ...shape.slice(depth)]);
        return {
          op: "ScatterND",
          what: `${reduction} into [${shape}] by [${indices.shape}]`,
          inputs: [randomArray(`${shape}`, shape), indices, updates],
          attributes,
          opset: 18,
          withoutOnnxRuntime,
        };
      }),
    );
    const elements = shape.map((size, axis): NodeCase & { readonly what: string } => {
      const some = shape.map((length, other) => (other === axis ? 1 + (r % 2) : Math.max(1, length - 1)));
      const count = elementCount(some);
      const data = Array.from({ length: count }, (_, at) => ((5 * at + 1) % (2 * size)) - size);
      // Where every update counts by itself, no place may come twice.
      const once = reduction === "none" ? some.with(axis, 1) : some;
      const indices = { ...int64(data.slice(0, elementCount(once))), shape: once };
      return {
        op: r === 0 && axis === 0 ? "Scatter" : "ScatterElements",
        what: `${reduction} into [${shape}] along ${axis}`,
        inputs: [randomArray(`${shape}`, shape), indices, randomArray(`${shape}e${axis}`, once)],
        attributes: { ...(r > 0 && attributes), axis: int(axis % 2 ? axis : axis - shape.length) },
        opset: r === 0 && axis === 0 ? 9 : 18,
        withoutOnnxRuntime,
      };
    });
    return [...rows, ...elements];
  }),
);

const titled = (cases: readonly (NodeCase & { readonly what: string })[]) =>
  cases.map((c) => [`${c.op} ${c.what}`, c] as const);

/** Whether a step may look indices up as it runs: those of the first axis. */
const takesComputed = ({ op, inputs, attributes = {} }: NodeCase): boolean => {
  const [x, indices] = inputs as readonly [NamedArray, NamedArray];
  if (op === "GatherND")
    return (attributes["batch_dims"] as { value: number }).value === 0 && indices.shape.at(-1) === 1;
  return op === "ScatterND" ? indices.shape.at(-1) === 1 : x.shape.length === 1;
};

describe("places that a graph states", () => {
  it.each(titled([...gathers, ...scatters]))("%s", async (_, c) => {
    const data = c.op === "GatherND" ? [0] : [0, 2];
    await expectCase(backend, { ...c, computed: data });
    const algorithm = c.op === "GatherND" ? "gather" : "scatter";
    const { steps, status } = planOfCase({ ...c, computed: data });
    expect(steps.map(({ step }) => [step.name, step.op, step.algorithm])).toEqual([["node", c.op, algorithm]]);
    expect(status.words).toBe(0); // nothing can go wrong any more
    if (c.op !== "GatherND") await expectCase(backend, { ...c, computed: [2] });
  });

  it.each(
    titled([...gathers, ...scatters]).flatMap(([title, c]) => {
      const indices = c.inputs[1]!;
      const depth = c.op.endsWith("ND") ? indices.shape.at(-1)! : 1;
      return Array.from({ length: depth }, (_, j) => [`${title}, index ${j} beyond`, c, j] as const);
    }),
  )("%s", (_, c, j) => {
    const [x, indices] = c.inputs as readonly [NamedArray, NamedArray];
    const batch = c.op === "GatherND" ? (c.attributes!["batch_dims"] as { value: number }).value : 0;
    const axis = c.op.endsWith("ND") ? batch + j : (c.attributes!["axis"] as { value: number }).value;
    const size = x.shape.at(axis)!;
    for (const wrong of [size, -size - 1]) {
      const data = (indices.data as BigInt64Array).with(j, BigInt(wrong));
      const broken = { ...c, inputs: c.inputs.with(1, { ...indices, data } as NamedArray) };
      expect(() => planOfCase(broken)).toThrow(
        new RegExp(`indices from -${size} to ${size - 1} in ${c.op} "node", received ${wrong}`),
      );
    }
  });
});

describe("places that are computed", () => {
  it.each(titled([...gathers, ...scatters].filter(takesComputed)))("%s", async (_, c) => {
    await expectCase(backend, { ...c, computed: c.op === "GatherND" ? [0, 1] : [0, 1, 2] });
    await expectCase(backend, { ...c, computed: [1] });
    const [x, indices] = c.inputs as readonly [NamedArray, NamedArray];
    const size = x.shape[0]!;
    for (const wrong of [size, -size - 1]) {
      const data = (indices.data as BigInt64Array).with(-1, BigInt(wrong));
      expect(() =>
        runCase(backend, { ...c, computed: [0, 1], inputs: c.inputs.with(1, { ...indices, data } as NamedArray) }),
      ).toThrow(
        `expected indices from -${size} to ${size - 1} in node "node" (${c.op}), received others among those that were computed`,
      );
    }
  });

  it.each(titled([...gathers, ...scatters].filter((c) => !takesComputed(c))))("%s is refused by name", (_, c) => {
    expect(() => planOfCase({ ...c, computed: [0, 1] })).toThrow(
      `expected constant indices in ${c.op} "node", received "i1", which is computed`,
    );
  });
});

describe("what the places lie in", () => {
  it.each(["GatherND", "ScatterND", "ScatterElements"])("%s of as many places as float32 counts, and no more", (op) => {
    const of = (...shape: number[]): NodeCase => {
      const depth = op === "ScatterElements" ? 1 : shape.length;
      const indices = {
        ...int64(shape.map(() => 1).slice(0, depth)),
        shape: op === "ScatterElements" ? shape.map(() => 1) : [1, depth],
      };
      const updates = randomArray("u", op === "ScatterElements" ? shape.map(() => 1) : [1]);
      // Only planned: nobody reads the numbers.
      const x = { dtype: "f32", shape, data: new Float32Array(0) } as NamedArray;
      return { op, inputs: op === "GatherND" ? [x, indices] : [x, indices, updates], opset: 18 };
    };
    const [most, half] = [2 ** 24, 2 ** 12];
    for (const shape of [[most], [half, half]]) expect(planOfCase(of(...shape)).steps).toHaveLength(1);
    for (const shape of [[most + 1], [half, half + 1]]) {
      expect(() => planOfCase(of(...shape))).toThrow(
        `expected at most 16777216 places, as float32 counts them in ${op} "node", received ${elementCount(shape)}`,
      );
    }
  });

  it.each(["ScatterND", "ScatterElements"])("%s into whole numbers, but not their sums and products", async (op) => {
    const whole = { ...int64([3, -1, 4, 1, -5]), shape: [5] };
    const indices = { ...int64([3, -4]), shape: op === "ScatterND" ? [2, 1] : [2] };
    for (const reduction of ["none", "max", "min", "add", "mul"]) {
      const c: NodeCase = {
        op,
        inputs: [whole, indices, int64([2, -9])],
        computed: [0, 2],
        attributes: { reduction: string(reduction) },
        outputs: ["i64"],
        opset: 18,
        withoutOnnxRuntime,
      };
      if (reduction === "add" || reduction === "mul")
        expect(() => planOfCase(c)).toThrow(`expected floating-point numbers in node "node" (${op}), received i64`);
      else await expectCase(backend, c);
    }
  });

  it.each([
    ["GatherND", [-1, 2, 2, -1]],
    ["ScatterND", [-1, 2, 2, -1]],
    ["ScatterElements", [-1, 2, 0, -3]],
  ])("%s looks its places up anew where its input changes in size", (op, places) => {
    const indices = { ...int64(places), shape: [2, 2] };
    const updates = op === "GatherND" ? [] : [randomArray("u", op === "ScatterND" ? [2] : [2, 2])];
    const c: NodeCase = { op, inputs: [randomArray("x", [3, 4]), indices, ...updates], opset: 18 };
    const graph: Graph = { ...graphOfCase(c), inputs: [valueInfo("i0", ["n", "c"])] };
    const session = createSession(graph, { backend, shape: [3, 4] });
    for (const shape of [
      [3, 4],
      [4, 3],
      [3, 4],
    ]) {
      const i0 = randomArray(`${shape}`, shape);
      expect(session.run({ i0 })).toEqual(expectAsDefined(backend, graph, { i0 }));
    }
    session.dispose();
  });
});
