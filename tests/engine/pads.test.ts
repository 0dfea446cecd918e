import { describe, expect, it } from "vitest";
import { f32 } from "#repvgg/core/named-arrays.js";
import { createSession } from "#repvgg/engine/session.js";
import { string } from "#repvgg/graph/attributes.js";
import { int64, valueInfo } from "#repvgg/graph/build.js";
import type { Graph } from "#repvgg/graph/graph.js";
import { backendOf } from "../tensor/backends.js";
import { expectAsDefined, randomArray } from "./compare.js";
import { expectCase, graphOfCase, type NodeCase, planOfCase } from "./node-case.js";

const backend = backendOf(2);
const shapes = [[5], [4, 5], [4, 3, 5], [4, 3, 5, 6], [3, 4, 3, 5, 4]];
const value = f32([], Float32Array.of(0.75));

/** A Pad in a mode; its pads are all begins, then all ends. */
function padOf(mode: string, shape: readonly number[], pads: readonly number[], axes?: readonly number[]): NodeCase {
  const more = axes ? [int64(axes)] : [];
  const inputs = [randomArray(`${shape}`, shape), int64(pads), mode === "constant" ? value : undefined, ...more];
  return { op: "Pad", inputs, attributes: { mode: string(mode) }, opset: 19, withoutOnnxRuntime: true };
}

const algorithms = (c: NodeCase): string[] => planOfCase(c).steps.map(({ step }) => step.algorithm);

describe.each(["constant", "reflect", "edge", "wrap"])("mode %s", (mode) => {
  it.each(shapes.map((shape) => [shape]))("pads and crops either end of each axis of [%s] by itself", async (shape) => {
    const sides = Array.from({ length: 2 * shape.length }, (_, side) => side);
    for (const by of [2, -1]) {
      for (const side of sides) {
        const pads = sides.map((other) => (other === side ? by : 0));
        await expectCase(backend, padOf(mode, shape, pads));
      }
    }
    await expectCase(
      backend,
      padOf(
        mode,
        shape,
        sides.map((side) => [1, -1, 2, 0, 1, 0, -1][side % 7]!),
      ),
    );
    await expectCase(backend, padOf(mode, shape, [2, 1], [-1]));
  });

  it("goes by one step up to four axes where a constant is put around, else by one for each axis that changes", () => {
    for (const shape of shapes) {
      const both = shape.map((_, axis) => (axis % 2 === 0 ? 1 : 0));
      const pads = [...both, ...both.map((p, axis) => (axis === 0 ? 0 : p))];
      const names = algorithms(padOf(mode, shape, pads)).filter(
        (name) => !name.startsWith("nchw") && !name.startsWith("nhwc"),
      );
      const once = mode === "constant" && shape.length <= 4;
      expect(names).toEqual(once ? ["pad"] : both.filter((p) => p > 0).map(() => "resample_axis"));
      expect(
        planOfCase(padOf(mode, shape, pads)).steps.some(({ step }) => step.name === "node" && step.op === "Pad"),
      ).toBe(true);
    }
  });

  it("knows the pads by the size that they stand around", () => {
    const c = padOf(mode, [4, 6], [1, 2, 0, 1]);
    const graph: Graph = { ...graphOfCase(c), inputs: [valueInfo("i0", ["n", "c"])] };
    const session = createSession(graph, { backend, shape: [4, 6] });
    for (const shape of [
      [4, 6],
      [6, 4],
      [4, 6],
    ]) {
      const i0 = randomArray(`${shape}`, shape);
      expect(session.run({ i0 })).toEqual(expectAsDefined(backend, graph, { i0 }));
    }
    session.dispose();
  });
});

describe("the steps of a Pad of many axes", () => {
  it("begin with the axis that shrinks most, so that the others have less to do", () => {
    const sizes = (pads: readonly number[]) =>
      planOfCase(padOf("edge", [4, 6, 8], pads)).steps.map(({ step }) => step.outputShape);
    expect(sizes([2, 0, -4, 0, 3, 0])).toEqual([
      [4, 6, 4],
      [6, 6, 4],
      [6, 9, 4],
    ]);
    expect(sizes([4, 0, 0, 0, 1, 2])).toEqual([
      [4, 7, 8],
      [4, 7, 10],
      [8, 7, 10],
    ]);
  });
});

describe("what is computed", () => {
  const computed = (mode: string, which: number): NodeCase => {
    const c = padOf(mode, [4, 5], [1, 1]);
    const inputs = [c.inputs[0], int64([1, 1]), f32([], Float32Array.of(2)), int64([0])];
    return { ...c, inputs, computed: [0, which] };
  };

  it.each([
    ["pads", 1, 'expected constant pads and axes in Pad "node", received computed ones'],
    ["a value", 2, 'expected a constant value to pad with in Pad "node", received a computed one'],
    ["axes", 3, 'expected constant pads and axes in Pad "node", received computed ones'],
  ])("%s: refused by name", (_, which, message) => {
    expect(() => planOfCase(computed("constant", which))).toThrow(message);
  });

  it("a value may be where none is put around", () => {
    for (const mode of ["reflect", "edge", "wrap"]) expect(algorithms(computed(mode, 2))).toEqual(["resample_axis"]);
  });
});
