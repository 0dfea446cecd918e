import { elementCount, f32, type NamedArray } from "#repvgg/core/named-arrays.js";
import type { Rng } from "#repvgg/core/rng.js";
import { int, ints } from "#repvgg/graph/attributes.js";
import { convAttributes, GraphBuilder, int64, valueInfo } from "#repvgg/graph/build.js";
import type { AttributeValue, Dimension, Graph } from "#repvgg/graph/graph.js";

export type Byte = "u8" | "i8";

/** An 8-bit value in a net that is being built, and the spread of the real numbers that it stands for. */
export interface Quantized {
  readonly value: string;
  readonly shape: readonly number[];
  readonly scale: number;
  readonly zero: number;
  readonly dtype: Byte;
  readonly spread: number;
}

export interface Style {
  /** Of activations; weights are int8 (or uint8 with zero point 128, where `weights` says so). */
  readonly activations: Byte;
  readonly weights: Byte;
  readonly perChannel: boolean;
  /** QLinearConv and QLinearMatMul, or the real operators between DequantizeLinear and QuantizeLinear. */
  readonly form: "qdq" | "qoperator";
  /** As int32 with a scale, or as real numbers. */
  readonly bias: "integers" | "real";
}

/** Operator set that the nodes are written in: the first with scales by channel and blocks of nothing. */
const opset = 13;

/** Builds quantized nets as quantizers write them: activations with one scale and zero point, weights by tensor or by output channel. */
export class QuantizedBuilder extends GraphBuilder {
  #count = 0;
  constructor(
    readonly rng: Rng,
    readonly style: Style,
  ) {
    super();
  }

  name(what: string): string {
    return `${what}${this.#count++}`;
  }

  number(name: string, value: number, dtype: "f32" | Byte): string {
    if (dtype === "f32") return this.constant(name, f32([], Float32Array.of(value)));
    const data = dtype === "u8" ? Uint8Array.of(value) : Int8Array.of(value);
    return this.constant(name, { dtype, shape: [], data } as NamedArray);
  }

  /** A scale and a zero point for numbers of a spread; of activations that are never negative, the lowest number stands for 0. */
  chosen(spread: number, positive: boolean): Pick<Quantized, "scale" | "zero" | "dtype"> {
    const { activations: dtype } = this.style;
    const lowest = dtype === "u8" ? 0 : -128;
    const middle = Math.round(this.rng.uniform(lowest + 90, lowest + 165));
    const zero = positive ? lowest : middle;
    const scale = Math.fround(((positive ? 3 : 6) * spread) / 255 || 1);
    return { scale, zero, dtype };
  }

  quantize(real: string, shape: readonly number[], spread: number, positive: boolean): Quantized {
    const how = this.chosen(spread, positive);
    const value = this.name("q");
    const scale = this.number(`${value}.scale`, how.scale, "f32");
    this.add("QuantizeLinear", value, [real, scale, this.number(`${value}.zero`, how.zero, how.dtype)], {}, opset);
    return { value, shape, spread, ...how };
  }

  /** With the scale and zero point of another value: what only moved. */
  quantizeLike(real: string, like: Quantized, shape: readonly number[]): Quantized {
    const value = this.name("q");
    const scale = this.number(`${value}.scale`, like.scale, "f32");
    this.add("QuantizeLinear", value, [real, scale, this.number(`${value}.zero`, like.zero, like.dtype)], {}, opset);
    return { ...like, value, shape };
  }

  dequantize({ value }: Quantized): string {
    return this.add("DequantizeLinear", this.name("d"), [value, `${value}.scale`, `${value}.zero`], {}, opset);
  }

  /** Weights [O, …] or [I, O], quantized by their largest magnitude. */
  weights(name: string, shape: readonly number[], axis: number): { readonly data: string; readonly spread: number } {
    const { rng, style } = this;
    const spread = 1 / Math.sqrt(elementCount(shape) / shape[axis]!);
    const inner = elementCount(shape.slice(axis + 1));
    const outlier = Array.from({ length: shape[axis]! }, () => (rng.next() < 0.2 ? 3 : 1));
    const real = Float64Array.from({ length: elementCount(shape) }, (_, i) => {
      return rng.normal() * spread * outlier[Math.floor(i / inner) % shape[axis]!]!;
    });
    const outputs = style.perChannel ? shape[axis]! : 1;
    const largest = new Float64Array(outputs);
    const outputOf = (i: number): number => (style.perChannel ? Math.floor(i / inner) % shape[axis]! : 0);
    real.forEach((value, i) => {
      largest[outputOf(i)] = Math.max(largest[outputOf(i)]!, Math.abs(value));
    });
    const scales = Float32Array.from(largest, (most) => most / 127 || 1);
    const zero = style.weights === "u8" ? 128 : 0;
    const whole = real.map((value, i) => Math.round(value / scales[outputOf(i)]!) + zero);
    const data = style.weights === "u8" ? Uint8Array.from(whole) : Int8Array.from(whole);
    this.constant(name, { dtype: style.weights, shape, data } as NamedArray);
    const ofScale = style.perChannel ? [outputs] : [];
    this.constant(`${name}.scale`, f32(ofScale, scales));
    const zeros = style.weights === "u8" ? new Uint8Array(outputs).fill(zero) : new Int8Array(outputs);
    this.constant(`${name}.zero`, { dtype: style.weights, shape: ofScale, data: zeros } as NamedArray);
    return { data: name, spread };
  }

  dequantizedWeights(name: string, axis: number): string {
    const inputs = [name, `${name}.scale`, `${name}.zero`];
    const attributes = this.style.perChannel ? { axis: int(axis) } : {};
    return this.add("DequantizeLinear", `${name}.real`, inputs, attributes, opset);
  }

  /** A bias in int32 (in units of both scales) or in real numbers; its DequantizeLinear or itself. */
  bias(name: string, outputs: number, input: Quantized, weight: string, form: "integers" | "real" | "bare"): string {
    const scales = this.initializers.get(`${weight}.scale`)!.data as Float32Array;
    const real = Float32Array.from({ length: outputs }, () => 0.3 * this.rng.normal() * input.spread);
    if (form === "real") return this.constant(name, f32([outputs], real));
    const units = Float32Array.from(scales, (scale) => scale * input.scale);
    const data = Int32Array.from(real, (value, o) => Math.round(value / units[units.length === 1 ? 0 : o]!));
    this.constant(name, { dtype: "i32", shape: [outputs], data });
    if (form === "bare") return name;
    this.constant(`${name}.scale`, f32(units.length === 1 ? [] : [outputs], units));
    const attributes = units.length === 1 ? {} : { axis: int(0) };
    return this.add("DequantizeLinear", `${name}.real`, [name, `${name}.scale`], attributes, opset);
  }

  /** A convolution in the net's form. @param activation between it and QuantizeLinear */
  convolution(
    input: Quantized,
    outputs: number,
    options: {
      readonly kernel: readonly [number, number];
      readonly strides?: readonly [number, number];
      readonly pads?: readonly [number, number, number, number];
      readonly dilation?: number;
      readonly groups?: number;
      readonly activation?: "Relu" | "Clip";
    },
  ): Quantized {
    const { kernel, strides = [1, 1], pads = [0, 0, 0, 0], dilation = 1, groups = 1, activation } = options;
    const { style } = this;
    const [batch, channels, height, width] = input.shape as [number, number, number, number];
    const out = (size: number, axis: 0 | 1): number =>
      Math.floor((size + pads[axis] + pads[axis + 2]! - ((kernel[axis] - 1) * dilation + 1)) / strides[axis]) + 1;
    const shape = [batch, outputs, out(height, 0), out(width, 1)];
    const name = this.name("conv");
    this.weights(`${name}.w`, [outputs, channels / groups, ...kernel], 0);
    const attributes = {
      ...convAttributes({ kernel, groups, dilation }),
      ...{ strides: ints(strides), pads: ints(pads) },
    };
    const positive = activation !== undefined;
    if (style.form === "qoperator" && !activation) {
      const bias = this.bias(`${name}.b`, outputs, input, `${name}.w`, "bare");
      const how = this.chosen(input.spread, false);
      const value = this.name("q");
      const inputs = [
        ...[
          input.value,
          `${input.value}.scale`,
          `${input.value}.zero`,
          `${name}.w`,
          `${name}.w.scale`,
          `${name}.w.zero`,
        ],
        ...[this.number(`${value}.scale`, how.scale, "f32"), this.number(`${value}.zero`, how.zero, how.dtype), bias],
      ];
      this.add("QLinearConv", value, inputs, attributes, opset);
      return { value, shape, spread: input.spread, ...how };
    }
    const bias = this.bias(`${name}.b`, outputs, input, `${name}.w`, style.bias);
    const real = this.add(
      "Conv",
      name,
      [this.dequantize(input), this.dequantizedWeights(`${name}.w`, 0), bias],
      attributes,
      opset,
    );
    const active = activation ? this.activation(real, activation, input.spread) : real;
    return this.quantize(active, shape, input.spread, positive);
  }

  activation(real: string, op: "Relu" | "Clip", spread: number): string {
    const name = this.name("act");
    if (op === "Relu") return this.add("Relu", name, [real], {}, opset);
    const limits = [this.number(`${name}.min`, 0, "f32"), this.number(`${name}.max`, 1.5 * spread, "f32")];
    return this.add("Clip", name, [real, ...limits], {}, opset);
  }

  /** Any operator of real numbers between quantized values. */
  between(
    op: string,
    inputs: readonly Quantized[],
    shape: readonly number[],
    spread: number,
    attributes: Record<string, AttributeValue> = {},
    positive = false,
  ): Quantized {
    const real = this.add(
      op,
      this.name(op.toLowerCase()),
      inputs.map((input) => this.dequantize(input)),
      attributes,
      opset,
    );
    return this.quantize(real, shape, spread, positive);
  }

  /** Flattened values [N, K] by a matrix, as Gemm (or QLinearMatMul). */
  linear(input: Quantized, outputs: number): Quantized | string {
    const [batch, inputs] = input.shape as [number, number];
    const name = this.name("linear");
    if (this.style.form === "qoperator") {
      this.weights(`${name}.w`, [inputs, outputs], 1);
      const how = this.chosen(2 * input.spread, false);
      const value = this.name("q");
      const operands = [
        ...[
          input.value,
          `${input.value}.scale`,
          `${input.value}.zero`,
          `${name}.w`,
          `${name}.w.scale`,
          `${name}.w.zero`,
        ],
        ...[this.number(`${value}.scale`, how.scale, "f32"), this.number(`${value}.zero`, how.zero, how.dtype)],
      ];
      this.add("QLinearMatMul", value, operands, {}, opset);
      return { value, shape: [batch, outputs], spread: 2 * input.spread, ...how };
    }
    this.weights(`${name}.w`, [outputs, inputs], 0);
    const bias = this.bias(`${name}.b`, outputs, input, `${name}.w`, this.style.bias);
    const operands = [this.dequantize(input), this.dequantizedWeights(`${name}.w`, 0), bias];
    return this.add("Gemm", name, operands, { transB: int(1) }, opset);
  }

  reshape(real: string, sizes: readonly number[]): string {
    const name = this.name("reshape");
    return this.add("Reshape", name, [real, this.constant(`${name}.shape`, int64(sizes))], {}, opset);
  }

  net(shape: readonly Dimension[], outputs: readonly string[]): Graph {
    const inputs = [valueInfo("x", shape)];
    return this.graph(
      "quantized",
      inputs,
      outputs.map((name) => ({ name, dtype: "f32", shape: undefined })),
    );
  }
}
