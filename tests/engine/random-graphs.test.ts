import fc from "fast-check";
import { describe, it } from "vitest";
import { GraphBuilder, valueInfo } from "#repvgg/graph/build.js";
import type { Graph } from "#repvgg/graph/graph.js";
import { backendOf } from "../tensor/backends.js";
import { expectAsDefined, randomArray, randomBatchNorm, randomInputs } from "./compare.js";

const channels = 5;
const kinds = [
  "conv3",
  "conv1",
  "depthwise",
  "batchNorm",
  "relu",
  "sigmoid",
  "add",
  "sub",
  "mul",
  "gate",
  "concat",
  "identity",
] as const;

/** One node: its kind, and which earlier values it reads, counted back from the last. */
const step = fc.record({ kind: fc.constantFrom(...kinds), a: fc.nat(4), b: fc.nat(6) });

/** A graph in which any value may be read by any later node: every way of dying, sharing and fusing. */
function graphOf(
  steps: readonly { kind: (typeof kinds)[number]; a: number; b: number }[],
  outputs: readonly number[],
): Graph {
  const builder = new GraphBuilder();
  const values = ["x"];
  const back = (distance: number): string => values[Math.max(0, values.length - 1 - distance)]!;
  const scaled = (name: string, value: string): string =>
    builder.add("Mul", name, [value, builder.constant("half", randomArray("half", [1]))]);
  steps.forEach(({ kind, a, b }, i) => {
    const name = `v${i}`;
    const [x, y] = [back(a), back(b)];
    const weight = (outputs: number, inputs: number, kernel: number) =>
      randomArray(`${name}.weight`, [outputs, inputs, kernel, kernel]);
    switch (kind) {
      case "conv3":
        builder.conv(name, x, weight(channels, channels, 3), {
          padding: 1,
          bias: randomArray(`${name}.bias`, [channels]),
        });
        break;
      case "conv1":
        builder.conv(name, x, weight(channels, channels, 1));
        break;
      case "depthwise":
        builder.conv(name, x, weight(channels, 1, 3), { padding: 1, groups: channels });
        break;
      case "batchNorm":
        builder.batchNorm(name, x, randomBatchNorm(name, channels));
        break;
      case "relu":
        builder.add("Relu", name, [x]);
        break;
      case "sigmoid":
        builder.add("Sigmoid", name, [x]);
        break;
      case "add":
        builder.add("Add", name, [x, y]);
        break;
      case "sub":
        builder.add("Sub", name, [x, y]);
        break;
      case "mul":
        builder.add("Mul", name, [x, builder.add("Sigmoid", `${name}.gate`, [y])]);
        break;
      case "gate":
        builder.add("Mul", name, [x, builder.add("GlobalAveragePool", `${name}.pool`, [y])]);
        break;
      case "concat": {
        const joined = builder.add("Concat", `${name}.joined`, [x, y], { axis: { type: "int", value: 1 } });
        builder.conv(name, joined, weight(channels, 2 * channels, 1));
        break;
      }
      case "identity":
        builder.add("Identity", name, [x]);
        break;
    }
    values.push(i % 3 === 2 ? scaled(`${name}.scaled`, name) : name);
  });
  const wanted = [...new Set([back(0), ...outputs.map(back)])];
  return builder.graph(
    "random",
    [valueInfo("x", ["batch", channels, "height", "width"])],
    wanted.map((name) => valueInfo(name, ["batch", channels, "height", "width"])),
  );
}

describe("random graphs", () => {
  it("compute what is defined, whatever shares memory with whatever", () => {
    const backend = backendOf(2);
    fc.assert(
      fc.property(
        fc.array(step, { minLength: 1, maxLength: 14 }),
        fc.array(fc.nat(8), { maxLength: 2 }),
        fc.boolean(),
        fc.constantFrom([1, channels, 4, 3], [2, channels, 1, 1], [3, channels, 2, 5]),
        (steps, outputs, fuseBatchNorm, shape) => {
          expectAsDefined(backend, graphOf(steps, outputs), randomInputs({ x: shape }), { fuseBatchNorm }, 1e-4);
        },
      ),
      { numRuns: 150 },
    );
  });
});
