import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createSession, loadNet } from "repvgg";
import { describe, expect, it } from "vitest";
import { ShapeError, UserError } from "#repvgg/core/errors.js";
import { elementCount, f32 } from "#repvgg/core/named-arrays.js";
import { evaluate } from "#repvgg/graph/evaluate/evaluate.js";
import { fold } from "#repvgg/graph/fold.js";
import type { Graph } from "#repvgg/graph/graph.js";

const folder = join(import.meta.dirname, "..", "fixtures", "cases");

interface Value {
  readonly shape: readonly number[];
  readonly data: readonly number[];
}

interface Expected {
  readonly inputs: Readonly<Record<string, Value>>;
  readonly expected: Readonly<Record<string, Value>>;
}

/** Both forms that the files have. */
function expectation(graph: Graph, path: string): Expected {
  const json = JSON.parse(readFileSync(path, "utf8"));
  if (json.inputs) return json;
  return {
    inputs: { [graph.inputs[0]!.name]: { shape: json.inputShape, data: json.input } },
    expected: { [graph.outputs[0]!.name]: { shape: json.outputShape, data: json.output } },
  };
}

/** Largest difference by the largest expected number. */
function relativeError(received: ArrayLike<number>, { data }: Value): number {
  const scale = data.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  return data.reduce((worst, x, i) => Math.max(worst, Math.abs(x - received[i]!)), 0) / scale;
}

const feedsOf = ({ inputs }: Expected) =>
  new Map(
    Object.entries(inputs).map(([name, { shape, data }]) => [
      name,
      { dtype: "f32" as const, shape, data: Float32Array.from(data) },
    ]),
  );

/** File, expected values, and the tolerance where weights or values are float16. */
const listed: readonly (readonly [file: string, expected: string, tolerance?: number])[] = [
  ["authors-crop-slice-branch/net.onnx", "net.json"],
  ["authors-dbb-scatternd-pad/average.onnx", "average.json"],
  ["authors-dbb-scatternd-pad/net.onnx", "net.json"],
  ["authors-identity-after-unknown-shape/net.onnx", "net.json"],
  ["authors-nhwc-linear-bn/net.onnx", "net.json"],
  ["authors-slice-int64-max-opset9/net.onnx", "net.json"],
  ["bilinear-resize/conv-bn-relu-resize.onnx", "expected.json"],
  ["bn-spatial-0/bn-spatial-0.onnx", "expected.json"],
  ["conv-transpose-bn/6-4-bias.onnx", "6-4-bias.json"],
  ["conv-transpose-bn/depthwise.onnx", "depthwise.json"],
  ["conv-transpose-bn/groups-2-1x5.onnx", "groups-2-1x5.json"],
  ["conv-transpose-bn/groups-2.onnx", "groups-2.json"],
  ["conv-transpose-bn/silent-trap-4-4.onnx", "silent-trap-4-4.json"],
  ["flatten-gemm-open-size/conv-flatten-gemm-32.onnx", "at-32x32.json"],
  ["fp16-conv-fp32-bn/fp16-conv-fp32-bn.onnx", "expected.json", 2e-3],
  ["integer-division/integer-div-mul.onnx", "expected.json"],
  ["proof-pools-outputs/gemm-row-bias-and-large-output.onnx", "expected.json"],
  ["repvgg-1d/repvgg-1d.onnx", "expected.json"],
  ["softmax-opset-11/softmax-default-axis.onnx", "expected.json"],
];

const files = listed.map(([file, expected, tolerance = 1e-5]): [string, string, number] => [file, expected, tolerance]);

describe("values that other runtimes give", () => {
  it.each(files)("%s", async (file, expectedFile, tolerance) => {
    const { graph } = await loadNet(join(folder, file));
    const wanted = expectation(graph, join(folder, file, "..", expectedFile));
    for (const each of [graph, fold(graph).graph]) {
      for (const [name, value] of evaluate(each, feedsOf(wanted))) {
        expect(value.shape).toEqual(wanted.expected[name]!.shape);
        expect(relativeError(value.data, wanted.expected[name]!)).toBeLessThan(tolerance);
      }
    }
  });

  // The engine's BatchNormalization is one of channels; of positions it is refused (below).
  const run = files.filter(([file]) => !file.startsWith("bn-spatial-0"));
  describe.each(["native", "wasm"] as const)("%s", (kernels) => {
    it.each(run)("%s", async (file, expectedFile, tolerance) => {
      const { graph } = await loadNet(join(folder, file));
      const wanted = expectation(graph, join(folder, file, "..", expectedFile));
      const shape = Object.fromEntries(Object.entries(wanted.inputs).map(([name, input]) => [name, input.shape]));
      const inputs = Object.fromEntries(
        Object.entries(wanted.inputs).map(([name, input]) => [
          name,
          { shape: input.shape, data: Float32Array.from(input.data) },
        ]),
      );
      for (const each of [graph, fold(graph).graph]) {
        const session = await createSession(each, { kernels, shape, threads: 1 });
        try {
          for (const [name, output] of Object.entries(session.run(inputs))) {
            expect(output.shape).toEqual(wanted.expected[name]!.shape);
            expect(relativeError(output.data, wanted.expected[name]!)).toBeLessThan(tolerance);
          }
        } finally {
          session.dispose();
        }
      }
    });
  });
});

/** Nets whose operands do not fit, at the shape in which that shows. */
const misfits: readonly (readonly [file: string, shape: readonly number[] | undefined, message: RegExp])[] = [
  ["channels-mismatch/open-channels.onnx", [1, 4, 6, 6], /input of 3 channels .* in Conv "Conv_0", received 4/],
  ["channels-mismatch/open-channels.onnx", [1, 1, 6, 6], /input of 3 channels .* in Conv "Conv_0", received 1/],
  ["channels-mismatch/fixed-4-channel-input.onnx", undefined, /input of 3 channels .* received 4/],
  ["channels-mismatch/fixed-1-channel-input.onnx", undefined, /input of 3 channels .* received 1/],
  ["channels-mismatch/gemm-hangs.onnx", undefined, /inner size of .* of size 5 in Gemm .* received 5000/],
  [
    "concat-size-mismatch/fpn-open-size.onnx",
    [1, 3, 50, 50],
    /one size along all axes but 1 in Concat .*26, 26.*25, 25.*--input-size/,
  ],
  ["flatten-gemm-open-size/conv-flatten-gemm-32.onnx", [1, 3, 64, 64], /inner size of .* in Gemm/],
  ["flatten-gemm-open-size/conv-flatten-gemm-224.onnx", [1, 3, 64, 64], /inner size of .* in Gemm/],
  ["flatten-gemm-open-size/gemm-sigfpe.onnx", [1, 3, 64, 64], /inner size of .* in Gemm/],
  ["flatten-gemm-open-size/matmul-wrong-message.onnx", [1, 3, 64, 64], /inner size of .* in MatMul/],
  ["per-width-constant-open-size/mul-5-width.onnx", [1, 5, 64, 64], /shapes that broadcast in Mul .*\[5\]/],
];

it("the engine runs BatchNormalization of positions as defined", async () => {
  const { graph } = await loadNet(join(folder, "bn-spatial-0/bn-spatial-0.onnx"));
  const { name } = graph.inputs[0]!;
  const shape = graph.inputs[0]!.shape as readonly number[];
  const x = f32(
    shape,
    Float32Array.from({ length: elementCount(shape) }, (_, i) => Math.sin(i)),
  );
  const [output] = graph.outputs;
  const session = await createSession(graph, { threads: 1 });
  const { data } = session.run({ shape, data: x.data as Float32Array })[output!.name]!;
  session.dispose();
  const expected = evaluate(graph, new Map([[name, x]])).get(output!.name)!.data;
  expect(data.length).toBe(expected.length);
  data.forEach((value, i) => void expect(value).toBeCloseTo(expected[i]!, 4));
});

describe("operands that do not fit are refused, with node, operator, expected and received", () => {
  it.each(misfits)("%s at %s", async (file, shape, message) => {
    const { graph } = await loadNet(join(folder, file));
    const [input] = graph.inputs;
    const at = shape ?? (input!.shape as readonly number[]);
    const feeds = new Map([
      [input!.name, { dtype: "f32" as const, shape: at, data: new Float32Array(elementCount(at)) }],
    ]);
    expect(() => evaluate(graph, feeds)).toThrow(ShapeError);
    expect(() => evaluate(graph, feeds)).toThrow(message);
    for (const kernels of ["native", "wasm"] as const) {
      const attempt = createSession(graph, { kernels, threads: 1, ...(shape && { shape: [...shape] }) });
      await expect(attempt).rejects.toThrow(message);
      await expect(attempt).rejects.toBeInstanceOf(UserError);
    }
  });
});

it("integer weights beside their DequantizeLinear stay what they are: a fold would have to quantize them anew", async () => {
  const { graph } = await loadNet(join(folder, "qdq/qdq-conv-bn.onnx"));
  const { graph: folded, report } = fold(graph);
  expect(folded.nodes.map(({ op }) => op)).toEqual(graph.nodes.map(({ op }) => op));
  expect(report.regions).toEqual([]);
  expect(report.refusals.map(({ op, reason }) => `${op}: ${reason}`)).toContain("Conv: its weights are quantized");
});
