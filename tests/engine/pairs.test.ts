import { describe, expect, it } from "vitest";
import { f32, type NamedArray } from "#repvgg/core/named-arrays.js";
import { int } from "#repvgg/graph/attributes.js";
import { randomArray } from "./compare.js";
import { engineBackends, expectCase, type NodeCase, planOfCase } from "./node-case.js";

const { backend } = engineBackends[1]!;

/** One value and what it meets: of one shape, a gate for each channel, a row, a column, a number. */
const shapes: readonly (readonly [readonly number[], readonly number[]])[] = [
  [
    [2, 3, 4, 5],
    [2, 3, 4, 5],
  ],
  [
    [2, 3, 4, 5],
    [2, 3, 1, 1],
  ],
  [
    [2, 3, 4, 5],
    [1, 3, 1, 1],
  ],
  [
    [2, 3, 4, 5],
    [2, 1, 4, 5],
  ],
  [
    [2, 3, 4, 5],
    [4, 1],
  ],
  [[2, 3, 4, 5], [5]],
  [[2, 3, 4, 5], []],
  [
    [2, 3, 1, 1],
    [2, 3, 1, 1],
  ],
  [
    [2, 3, 4],
    [2, 3, 1],
  ],
  [
    [3, 4],
    [3, 4],
  ],
  [
    [3, 1],
    [1, 4],
  ],
  [[6], [6]],
];
const operators: readonly (readonly [op: string, outputs: NodeCase["outputs"], kind: "any" | "positive" | "truth"])[] =
  [
    ...["Add", "Sub", "Mul", "Max", "Min", "Sum", "Mean"].map((op) => [op, ["f32"], "any"] as const),
    ...["Div", "Pow"].map((op) => [op, ["f32"], "positive"] as const),
    ...["Less", "LessOrEqual", "Greater", "GreaterOrEqual", "Equal"].map((op) => [op, ["bool"], "any"] as const),
    ...["And", "Or", "Xor"].map((op) => [op, ["bool"], "truth"] as const),
  ];

function array(name: string, shape: readonly number[], kind: "any" | "positive" | "truth"): NamedArray {
  const { data } = randomArray(name, shape);
  if (kind === "truth") return { dtype: "bool", shape, data: Uint8Array.from(data, (v) => (v > 0 ? 1 : 0)) };
  return f32(shape, kind === "positive" ? data.map((v) => 0.5 + Math.abs(v)) : data);
}

describe.each(operators)("%s", (op, outputs, kind) => {
  it.each(shapes)("of %j and %j, either of them first, computed or constant", async (large, small) => {
    const operands = [array("large", large, kind), array("small", small, kind)];
    for (const inputs of [operands, operands.toReversed()]) {
      for (const computed of [[0, 1], [0], [1]]) {
        // ONNX Runtime's inputs here are float32; to it constants are nothing else.
        const withoutOnnxRuntime = kind === "truth" || computed.length < 2;
        await expectCase(backend, { op, inputs, computed, outputs: outputs!, withoutOnnxRuntime });
      }
    }
  });

  it.skipIf(op === "Mean")("says what it reads, and overwrites only what has the result's shape", () => {
    for (const [large, small] of shapes) {
      const inputs = [array("large", large, kind), array("small", small, kind)];
      const { steps } = planOfCase({ op, inputs, computed: [0, 1], outputs: outputs! });
      const moved = steps.filter(({ step }) => step.op !== "Transpose");
      for (const { step } of moved) {
        const read = new Set(step.reads.map(({ name }) => name));
        expect([...read].sort(), `${step.algorithm} of [${large}] and [${small}]`).toEqual(["i0", "i1"]);
        expect(
          step.mayOverwrite.every((buffer) => buffer.words === step.write.words && step.reads.includes(buffer)),
        ).toBe(true);
        const whole = step.reads.filter(({ words }) => words === step.write.words);
        expect(step.mayOverwrite).toHaveLength(whole.length);
      }
    }
  });
});

it("PRelu of a slope of any shape that fits", async () => {
  for (const [large, small] of shapes) {
    if (small.length > large.length || small.some((size, i) => size > large[large.length - small.length + i]!))
      continue;
    const inputs = [array("large", large, "any"), array("small", small, "any")];
    for (const computed of [[0, 1], [0]]) await expectCase(backend, { op: "PRelu", inputs, computed });
  }
});

it("Mod of either sign", async () => {
  for (const [large, small] of shapes) {
    const inputs = [array("large", large, "any"), array("small", small, "positive")];
    await expectCase(backend, { op: "Mod", inputs, computed: [0, 1], attributes: { fmod: int(1) }, tolerance: 1e-4 });
  }
});
