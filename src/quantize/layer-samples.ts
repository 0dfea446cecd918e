import { ShapeError } from "../core/errors.js";
import { rngFor } from "../core/rng.js";
import { node } from "../graph/build.js";
import type { Graph } from "../graph/graph.js";
import { windowOf } from "../graph/window.js";
import type { Layer } from "./layers.js";
import { type CalibrationPictures, type GraphRunner, type RunValue, runOver, withOutputs } from "./runner.js";
import { counted } from "./statistics.js";

/**
 * What a layer reads in the quantized net (x) and ought to give (y, of the float net) on the calibration pictures, of one group of channels: means and
 * covariances over places of the output map.
 */
export interface GroupStatistics {
  readonly meanX: Float64Array;
  readonly meanY: Float64Array;
  /** [inputs][inputs] */
  readonly covarianceX: Float64Array;
  /** [inputs][outputs of the group] */
  readonly covarianceXY: Float64Array;
}

/** Places of output maps that are looked at: some for each weight of an output channel, and so many at least and at most. */
const samples = { perWeight: 4, least: 4096, most: 16384 };

/**
 * Runs both nets over the pictures and gathers what one layer meets.
 * @param quantized the net whose layers before this one are quantized
 * @param read the value that the layer reads there
 */
export function sampleLayer(
  runner: GraphRunner,
  float: Graph,
  quantized: Graph,
  layer: Layer,
  read: string,
  pictures: CalibrationPictures,
): GroupStatistics[] {
  const wanted = Math.min(samples.most, Math.max(samples.least, samples.perWeight * layer.inputs));
  const perPicture = Math.ceil(wanted / pictures.count);
  const outputsOfGroup = layer.outputs / layer.groups;
  const sums = Array.from({ length: layer.groups }, () => new GroupSums(layer.inputs, outputsOfGroup, runner));
  const first = pictures.batches[0]!;
  const shapes = { [pictures.inputName]: first.input().shape };
  const right = runner.open(withOutputs(float, [layer.output]), shapes);
  try {
    runOver(runner, withOutputs(quantized, [read]), pictures, (values, batch, index) => {
      const x = counted(values[read]!, batch.size);
      const y = counted(right.run({ [pictures.inputName]: batch.input() })[layer.output]!, batch.size);
      const places = placesOf(layer, y, perPicture, index);
      const targets = targetRows(layer, y, places);
      for (let g = 0; g < layer.groups; g++) {
        sums[g]!.add(
          patches(layer, x, y, places, g),
          columns(targets, layer.outputs, g * outputsOfGroup, outputsOfGroup),
        );
      }
    });
    return sums.map((sum) => sum.statistics());
  } finally {
    right.dispose();
    for (const sum of sums) sum.dispose();
  }
}

/** Places of a batch's outputs, [picture, place] one after the other; of a matrix product rows. */
function placesOf(layer: Layer, { shape }: RunValue, perPicture: number, batch: number): Int32Array {
  const [pictures = 1] = shape;
  const area = layer.kernel.length > 0 ? shape.slice(2).reduce((a, b) => a * b, 1) : rowsIn(shape) / pictures;
  const count = Math.min(area, perPicture);
  const rng = rngFor(0, "calibration places", layer.name, batch);
  const places = new Int32Array(2 * pictures * count);
  for (let p = 0, at = 0; p < pictures; p++) {
    for (let i = 0; i < count; i++) {
      places[at++] = p;
      // One of each stretch of the map, so that all of it is seen.
      const [from, to] = [Math.floor((i * area) / count), Math.floor(((i + 1) * area) / count)];
      places[at++] = from + rng.int(Math.max(1, to - from));
    }
  }
  return places;
}

const rowsIn = (shape: readonly number[]): number => shape.slice(0, -1).reduce((a, b) => a * b, 1);

/** What the float net gives at the places: [place][outputs]. */
function targetRows(layer: Layer, { shape, data }: RunValue, places: Int32Array): Float32Array {
  const { outputs } = layer;
  const isMap = layer.kernel.length > 0;
  const area = isMap ? shape.slice(2).reduce((a, b) => a * b, 1) : rowsIn(shape) / shape[0]!;
  const rows = new Float32Array((places.length / 2) * outputs);
  for (let i = 0; i < places.length / 2; i++) {
    const [picture, place] = [places[2 * i]!, places[2 * i + 1]!];
    for (let o = 0; o < outputs; o++) {
      const at = isMap ? (picture * outputs + o) * area + place : (picture * area + place) * outputs + o;
      rows[i * outputs + o] = data[at]!;
    }
  }
  return rows;
}

function columns(rows: Float32Array, width: number, from: number, count: number): Float32Array {
  if (count === width) return rows;
  const result = new Float32Array((rows.length / width) * count);
  for (let i = 0; i < result.length; i++) result[i] = rows[Math.floor(i / count) * width + from + (i % count)]!;
  return result;
}

/** What one group of the layer's kernels reads at the places: [place][inputs], in the order of a row of the weight. */
function patches(layer: Layer, x: RunValue, y: RunValue, places: Int32Array, group: number): Float32Array {
  const { node: found, kernel, inputs, groups } = layer;
  const rows = new Float32Array((places.length / 2) * inputs);
  if (kernel.length === 0) {
    const area = rowsIn(y.shape) / y.shape[0]!;
    for (let i = 0; i < places.length / 2; i++) {
      const row = places[2 * i]! * area + places[2 * i + 1]!;
      rows.set(x.data.subarray(row * inputs, (row + 1) * inputs), i * inputs);
    }
    return rows;
  }
  if (kernel.length > 2) {
    throw new ShapeError({
      expected: "convolutions over one or two axes",
      received: `${kernel.length} axes in ${layer.name}`,
    });
  }
  // One axis is two of which the first is 1 long.
  const [[kernelHeight, kernelWidth], [height, width]] = [twoAxes(kernel), twoAxes(x.shape.slice(2))];
  const window = windowOf(found, kernel, x.shape.slice(2));
  const pads = window.pads!.slice(0, kernel.length);
  const [[strideY, strideX], [dilationY, dilationX]] = [twoAxes(window.strides), twoAxes(window.dilations)];
  const [top, left] = kernel.length === 2 ? [pads[0]!, pads[1]!] : [0, pads[0]!];
  const [, outWidth] = twoAxes(y.shape.slice(2));
  const channels = x.shape[1]!;
  const own = channels / groups;
  for (let i = 0; i < places.length / 2; i++) {
    const [picture, place] = [places[2 * i]!, places[2 * i + 1]!];
    const [beginY, beginX] = [Math.floor(place / outWidth) * strideY - top, (place % outWidth) * strideX - left];
    let at = i * inputs;
    for (let c = 0; c < own; c++) {
      const plane = (picture * channels + group * own + c) * height * width;
      for (let ky = 0; ky < kernelHeight; ky++) {
        const row = beginY + ky * dilationY;
        for (let kx = 0; kx < kernelWidth; kx++, at++) {
          const column = beginX + kx * dilationX;
          if (row >= 0 && row < height && column >= 0 && column < width) {
            rows[at] = x.data[plane + row * width + column]!;
          }
        }
      }
    }
  }
  return rows;
}

const twoAxes = (sizes: readonly number[]): [number, number] =>
  sizes.length === 1 ? [1, sizes[0]!] : [sizes[0]!, sizes[1]!];

/** Sums over samples, in float64; products of a batch by the engine, in float32, where there are many. */
class GroupSums {
  readonly #x: Float64Array;
  readonly #y: Float64Array;
  readonly #xx: Float64Array;
  readonly #xy: Float64Array;
  readonly #runner: GraphRunner;
  #products: { readonly rows: number; readonly running: ReturnType<GraphRunner["open"]> } | undefined;
  #count = 0;

  constructor(
    private readonly inputs: number,
    private readonly outputs: number,
    runner: GraphRunner,
  ) {
    this.#runner = runner;
    this.#x = new Float64Array(inputs);
    this.#y = new Float64Array(outputs);
    this.#xx = new Float64Array(inputs * inputs);
    this.#xy = new Float64Array(inputs * outputs);
  }

  add(x: Float32Array, y: Float32Array): void {
    const { inputs, outputs } = this;
    const rows = x.length / inputs;
    this.#count += rows;
    for (let i = 0; i < x.length; i++) this.#x[i % inputs] = this.#x[i % inputs]! + x[i]!;
    for (let i = 0; i < y.length; i++) this.#y[i % outputs] = this.#y[i % outputs]! + y[i]!;
    if (inputs < 32) {
      addProducts(this.#xx, x, x, inputs, inputs);
      addProducts(this.#xy, x, y, inputs, outputs);
      return;
    }
    const { xx, xy } = this.#multiplied(rows).run({
      x: { shape: [rows, inputs], data: x },
      y: { shape: [rows, outputs], data: y },
    });
    for (let i = 0; i < this.#xx.length; i++) this.#xx[i] = this.#xx[i]! + xx!.data[i]!;
    for (let i = 0; i < this.#xy.length; i++) this.#xy[i] = this.#xy[i]! + xy!.data[i]!;
  }

  statistics(): GroupStatistics {
    const { inputs, outputs } = this;
    const count = this.#count;
    const [meanX, meanY] = [this.#x.map((sum) => sum / count), this.#y.map((sum) => sum / count)];
    const covarianceX = this.#xx.map((sum, i) => sum / count - meanX[Math.floor(i / inputs)]! * meanX[i % inputs]!);
    const covarianceXY = this.#xy.map((sum, i) => sum / count - meanX[Math.floor(i / outputs)]! * meanY[i % outputs]!);
    return { meanX, meanY, covarianceX, covarianceXY };
  }

  dispose(): void {
    this.#products?.running.dispose();
  }

  #multiplied(rows: number): ReturnType<GraphRunner["open"]> {
    if (this.#products?.rows === rows) return this.#products.running;
    this.dispose();
    const shapes = { x: [rows, this.inputs], y: [rows, this.outputs] };
    const running = this.#runner.open(productGraph(shapes), shapes);
    this.#products = { rows, running };
    return running;
  }
}

/** XᵀX and XᵀY as a graph: matrix products are what an engine is fast at. */
function productGraph({ x, y }: { readonly x: readonly number[]; readonly y: readonly number[] }): Graph {
  const perm = { perm: { type: "ints" as const, value: [1, 0] } };
  const value = (name: string, shape?: readonly number[]) => ({ name, dtype: "f32" as const, shape });
  return {
    name: "products",
    inputs: [value("x", x), value("y", y)],
    outputs: [value("xx"), value("xy")],
    nodes: [
      node("Transpose", "transpose", ["x"], ["xt"], perm),
      node("MatMul", "xx", ["xt", "x"], ["xx"]),
      node("MatMul", "xy", ["xt", "y"], ["xy"]),
    ],
    initializers: new Map(),
  };
}

function addProducts(into: Float64Array, a: Float32Array, b: Float32Array, m: number, n: number): void {
  for (let row = 0; row < a.length / m; row++) {
    for (let i = 0; i < m; i++) {
      const factor = a[row * m + i]!;
      if (factor === 0) continue;
      for (let j = 0; j < n; j++) into[i * n + j] = into[i * n + j]! + factor * b[row * n + j]!;
    }
  }
}
