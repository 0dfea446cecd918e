import { afterAll, describe, expect, it } from "vitest";
import { createBackend } from "#repvgg/backend/select.node.js";
import { elementCount, f32, type NamedArray } from "#repvgg/core/named-arrays.js";
import { rngFor } from "#repvgg/core/rng.js";
import type { PlanReport } from "#repvgg/engine/plan/report.js";
import { createSession, type SessionTensor } from "#repvgg/engine/session.js";
import { int, ints } from "#repvgg/graph/attributes.js";
import { convAttributes, GraphBuilder, valueInfo } from "#repvgg/graph/build.js";
import { evaluate } from "#repvgg/graph/evaluate/evaluate.js";
import type { Graph } from "#repvgg/graph/graph.js";
import { randomPicture } from "./compare.js";

const backend = await createBackend({ threads: 1 });
afterAll(() => backend.dispose());

const shape = [1, 4, 7, 5];
const rng = rngFor(5, "exporters");
const normal = (size: readonly number[], scale = 0.3): NamedArray =>
  f32(
    size,
    Float32Array.from({ length: elementCount(size) }, () => scale * rng.normal()),
  );

/** Nodes of real numbers, with what quantizers put between them. */
class Exported extends GraphBuilder {
  #count = 0;
  constructor(readonly opset: number) {
    super();
  }

  real(op: string, inputs: readonly string[], attributes: Parameters<GraphBuilder["add"]>[3] = {}): string {
    return this.add(op, `${op.toLowerCase()}${this.#count++}`, inputs, attributes, this.opset);
  }

  scalar(value: number, dtype: "f32" | "u8" | "i8" | "u16" = "f32"): string {
    const types = { f32: Float32Array, u8: Uint8Array, i8: Int8Array, u16: Uint16Array };
    return this.constant(`c${this.#count++}`, { dtype, shape: [], data: types[dtype].of(value) } as NamedArray);
  }

  /** QuantizeLinear, and DequantizeLinear. */
  faked(value: string, scale: number, zero: number, dtype: "u8" | "i8" | "u16" = "u8", most?: number): string {
    const how = [this.scalar(scale), this.scalar(zero, dtype)];
    const q = this.real("QuantizeLinear", [value, ...how]);
    const narrow = most === undefined ? q : this.real("Clip", [q, this.scalar(0, "u8"), this.scalar(most, "u8")]);
    return this.real("DequantizeLinear", [narrow, ...how]);
  }

  /** Real weights that are quantized in the graph, by output channel. */
  fakedWeights(size: readonly number[]): string {
    const weight = normal(size);
    const each = elementCount(size) / size[0]!;
    const scales = Float32Array.from({ length: size[0]! }, (_, o) => {
      const own = (weight.data as Float32Array).subarray(o * each, (o + 1) * each);
      return own.reduce((most, value) => Math.max(most, Math.abs(value)), 0) / 127;
    });
    const how = [
      this.constant(`s${this.#count++}`, f32([size[0]!], scales)),
      this.constant(`z${this.#count++}`, { dtype: "i8", shape: [size[0]!], data: new Int8Array(size[0]!) }),
    ];
    const name = this.constant(`w${this.#count++}`, weight);
    const q = this.real("QuantizeLinear", [name, ...how], { axis: int(0) });
    return this.real("DequantizeLinear", [q, ...how], { axis: int(0) });
  }

  fakedConv(x: string, outputs = 4, inputs = 4, kernel = 3): string {
    const bias = this.constant(`b${this.#count++}`, normal([outputs]));
    const attributes = convAttributes({ kernel, padding: kernel >> 1 });
    return this.real("Conv", [x, this.fakedWeights([outputs, inputs, kernel, kernel]), bias], attributes);
  }

  net(...outputs: string[]): Graph {
    return this.graph(
      "exported",
      [valueInfo("x", shape)],
      outputs.map((name) => ({ name, dtype: "f32", shape: undefined })),
    );
  }
}

/** Runs it both ways. Outputs may be a step apart. */
function run(graph: Graph, step: number): { readonly plan: PlanReport; readonly output: SessionTensor } {
  const input = randomPicture(3, shape);
  const session = createSession(graph, { backend, shape });
  const name = graph.outputs[0]!.name;
  const output = session.run(input)[name]!;
  const plan = session.plan();
  session.dispose();
  const defined = evaluate(graph, new Map([["x", input]])).get(name)!;
  expect(output.shape).toEqual([...defined.shape]);
  const worst = defined.data.reduce((most, value, i) => Math.max(most, Math.abs(value - output.data[i]!)), 0);
  expect(worst).toBeLessThanOrEqual(step);
  return { plan, output };
}

const integers = ({ steps }: PlanReport): string[] => steps.filter(({ type }) => type === "u8").map(({ op }) => op);

describe("nets as quantizers write them", () => {
  it("PyTorch: weights quantized in the graph, real biases, ranges of 7 bits as Clip of the integers, Flatten between", () => {
    const b = new Exported(13);
    const x = b.faked("x", 0.04, 64, "u8", 127);
    const y = b.faked(b.real("Relu", [b.fakedConv(x)]), 0.03, 0, "u8", 127);
    const pooled = b.faked(b.real("GlobalAveragePool", [y]), 0.01, 0, "u8", 127);
    const flat = b.real("Flatten", [pooled], { axis: int(1) });
    const bias = b.constant("gb", normal([3]));
    const logits = b.real("Gemm", [flat, b.fakedWeights([3, 4]), bias], { transB: int(1) });
    const { plan } = run(b.net(logits), 0.02);
    expect(integers(plan)).toEqual(["QuantizeLinear", "Clip", "Conv+Relu+Clip", "GlobalAveragePool+Clip"]);
    expect(plan.steps.map(({ algorithm }) => algorithm)).toContain("u8_igemm");
    expect(plan.inFloat).toBeUndefined();
  });

  it("NNCF: a shortcut that is added before anything is rounded", () => {
    const b = new Exported(13);
    const x = b.faked(b.real("Relu", ["x"]), 0.02, 0);
    const y = b.faked(b.real("Relu", [b.real("Add", [b.fakedConv(x), x])]), 0.03, 0);
    const { plan } = run(b.net(y), 0.03);
    expect(integers(plan)).toEqual(["QuantizeLinear", "Conv+Add+Relu"]);
  });

  it("ONNX Runtime: one DequantizeLinear that several nodes read, scales that differ, a convolution whose real result is read too", () => {
    const b = new Exported(13);
    const x = b.faked("x", 0.03, 120);
    const both = b.fakedConv(x);
    const y = b.faked(both, 0.03, 128);
    const again = b.faked(y, 0.05, 100);
    const sum = b.faked(b.real("Add", [again, x]), 0.06, 110);
    const { plan } = run(b.net(b.real("Add", [sum, both])), 0.13);
    expect(plan.steps.find(({ op }) => op === "Conv")?.type).toBeUndefined();
    expect(integers(plan)).toEqual(["QuantizeLinear", "QuantizeLinear", "Requantize", "Add"]);
  });

  it("activations of 16 bits, in float32, and it is said", () => {
    const b = new Exported(21);
    const y = b.faked(b.fakedConv(b.faked("x", 0.0002, 32000, "u16")), 0.0003, 30000, "u16");
    const { plan } = run(b.net(y), 0.0004);
    expect(integers(plan)).toEqual([]);
    expect(plan.inFloat).toEqual([
      { name: "conv10", op: "Conv", reason: "its input is not quantized to 8 bits by one constant scale" },
    ]);
  });

  it("activations with a scale a channel, in float32", () => {
    const b = new Exported(13);
    const how = [
      b.constant("s", f32([4], Float32Array.of(0.01, 0.02, 0.03, 0.04))),
      b.constant("z", { dtype: "i8", shape: [4], data: Int8Array.of(1, -2, 3, 0) }),
    ];
    const q = b.real("QuantizeLinear", ["x", ...how], { axis: int(1) });
    const { plan } = run(b.net(b.real("DequantizeLinear", [q, ...how], { axis: int(1) })), 1e-6);
    expect(integers(plan)).toEqual([]);
  });

  it("weights quantized by blocks, in float32, and it is said", () => {
    const b = new Exported(21);
    const x = b.real("Flatten", [b.faked("x", 0.03, 128)], { axis: int(1) });
    const w = b.constant("w", {
      dtype: "i8",
      shape: [140, 3],
      data: Int8Array.from({ length: 420 }, (_, i) => (i * 37) % 120),
    });
    const scales = b.constant(
      "ws",
      f32(
        [7, 3],
        Float32Array.from({ length: 21 }, (_, i) => 0.001 * (1 + i)),
      ),
    );
    const real = b.real("DequantizeLinear", [w, scales], { axis: int(0), block_size: int(20) });
    const { plan } = run(b.net(b.real("MatMul", [x, real])), 0.01);
    expect(plan.inFloat?.map(({ reason }) => reason)).toEqual(["its weights are quantized by blocks"]);
  });

  it("weights whose zero point takes them out of 8 bits, in float32, and it is said", () => {
    const b = new Exported(13);
    const w = b.constant("w", {
      dtype: "u8",
      shape: [4, 4, 1, 1],
      data: Uint8Array.from({ length: 16 }, (_, i) => i * 17),
    });
    const real = b.real("DequantizeLinear", [w, b.scalar(0.01), b.scalar(100, "u8")]);
    const y = b.faked(b.real("Conv", [b.faked("x", 0.03, 128), real]), 0.05, 128);
    const { plan } = run(b.net(y), 0.05);
    expect(plan.inFloat?.map(({ reason }) => reason)).toEqual([
      "its weights less their zero point leave 8 bits: quantize them symmetrically",
    ]);
  });

  it("quantize_dynamic: scales of the input as it comes, ConvInteger and MatMulInteger", () => {
    const b = new Exported(13);
    const w = b.constant("w", {
      dtype: "i8",
      shape: [4, 4, 3, 3],
      data: Int8Array.from({ length: 144 }, (_, i) => ((i * 53) % 250) - 125),
    });
    b.nodes.push({
      ...{ name: "dynamic", op: "DynamicQuantizeLinear", domain: "", opset: 13, inputs: ["x"] },
      ...{ outputs: ["q", "qs", "qz"], attributes: {} },
    });
    const sums = b.real("ConvInteger", ["q", w, "qz", b.scalar(0, "i8")], { pads: ints([1, 1, 1, 1]) });
    const real = b.real("Cast", [sums], { to: int(1) });
    run(b.net(b.real("Mul", [real, b.real("Mul", ["qs", b.scalar(0.004)])])), 2e-3);
  });

  it("operators of ONNX Runtime's own are refused by name", () => {
    const b = new Exported(13);
    const q = b.real("QuantizeLinear", ["x", b.scalar(0.03), b.scalar(0, "u8")]);
    b.nodes.push({
      ...{ name: "sum", op: "QLinearAdd", domain: "com.microsoft", opset: 1, attributes: {} },
      ...{
        inputs: [q, b.scalar(1), b.scalar(0, "u8"), q, b.scalar(1), b.scalar(0, "u8"), b.scalar(1), b.scalar(0, "u8")],
        outputs: ["y"],
      },
    });
    expect(() => createSession(b.net("y"), { backend, shape })).toThrow(/com\.microsoft\.QLinearAdd \("sum"\)/);
  });
});

describe("a picture's own bytes", () => {
  it("go in as they are, as Uint8Array or as float32", () => {
    const b = new Exported(13);
    const real = b.real("DequantizeLinear", ["x", b.scalar(0.02), b.scalar(114, "u8")]);
    const graph = b.net(b.faked(b.fakedConv(real), 0.04, 128));
    const bytes = { ...graph, inputs: [valueInfo("x", shape, "u8")] };
    const data = Uint8Array.from({ length: 140 }, (_, i) => (i * 89) % 256);
    const session = createSession(bytes, { backend, shape });
    const name = graph.outputs[0]!.name;
    const [own, asFloat] = [session.run(data)[name]!, session.run(Float32Array.from(data))[name]!];
    const defined = evaluate(bytes, new Map([["x", { dtype: "u8", shape, data } as NamedArray]])).get(name)!;
    expect(asFloat.data).toEqual(own.data);
    expect(defined.data.every((value, i) => Math.abs(value - own.data[i]!) < 0.041)).toBe(true);
    expect(session.plan().steps[0]!.op).toBe("Conv");
    expect(() => session.run(new Int8Array(140))).toThrow(/numbers of input "x" \(u8\) as float32, received i8/);
    session.dispose();
  });
});
