import { elementCount, toFloat64 } from "../core/named-arrays.js";
import { type Rng, rngFor } from "../core/rng.js";
import type { SessionTensor } from "../engine/session.js";
import type { InputShapes } from "../exchange/net-inputs.js";
import type { Graph } from "../graph/graph.js";
import { graphInputs } from "../graph/graph-inputs.js";
import { InputBatch, type VerifyInput } from "./verify-models.js";

/** A way to make inputs up: `gain` × a number drawn for each element + `spread` × one from −1 to 1 drawn for its channel. */
interface Kind {
  readonly name: string;
  readonly draw: (rng: Rng) => number;
  /** In sizes of inputs that the net is used to ({@link ownScale}), where `own`. */
  readonly gain: number;
  readonly spread: number;
  readonly own: boolean;
}

const normal = (rng: Rng): number => rng.normal();
const uniform = (rng: Rng): number => rng.next();
const magnitude = (rng: Rng): number => Math.abs(rng.normal());

/**
 * Kinds of made-up inputs. Standard normal numbers alone leave many nets half asleep: what saturates, clips or never fires on them is not
 * compared.
 */
const kinds: readonly Kind[] = [
  { name: "normal", draw: normal, gain: 1, spread: 0, own: false },
  { name: "pictures", draw: uniform, gain: 1, spread: 0, own: false },
  { name: "large", draw: normal, gain: 4, spread: 4, own: true },
  { name: "small with offset", draw: normal, gain: 0.05, spread: 1, own: true },
];

/** Tried where an output stayed the same, or not finite, on all of the above. */
const furtherKinds: readonly Kind[] = [
  { name: "pictures of 0…255", draw: uniform, gain: 255, spread: 0, own: false },
  { name: "negative", draw: magnitude, gain: -4, spread: 0, own: true },
  { name: "tiny", draw: normal, gain: 1e-3, spread: 0, own: true },
  { name: "huge", draw: normal, gain: 1e4, spread: 1e4, own: true },
];

/**
 * Batches of random numbers of several kinds, `samples` in all, shared out evenly.
 * @param shapesOf shapes for a batch of so many; where the net states a batch of its own there may be more samples
 * @param most samples in a batch
 */
export function* randomInputs(
  graph: Graph,
  shapesOf: (batch: number) => InputShapes,
  { samples, seed, most }: { readonly samples: number; readonly seed: number; readonly most: number },
): Generator<InputBatch> {
  const own = ownScale(graph);
  let done = 0;
  for (const [i, kind] of kinds.entries()) {
    const until = Math.ceil(((i + 1) * samples) / kinds.length);
    const rng = rngFor(seed, "verify", kind.name);
    while (done < until) {
      const shapes = shapesOf(Math.min(most, until - done));
      yield batchOf(kind, rng, shapes, own);
      done += Object.values(shapes)[0]?.[0] ?? 1;
    }
  }
}

/** Standard normal numbers of given shapes: for timing, where values hardly matter. */
export function normalInput(shapes: InputShapes, seed = 0): VerifyInput {
  return batchOf(kinds[0]!, rngFor(seed, "verify"), shapes, 1).input;
}

/** One batch of each further kind. */
export function furtherInputs(graph: Graph, shapes: InputShapes, seed: number): InputBatch[] {
  const own = ownScale(graph);
  return furtherKinds.map((kind) => batchOf(kind, rngFor(seed, "verify", kind.name), shapes, own));
}

/**
 * Numbers that are drawn for one input; behind them they come again. A prime: rows of a picture, channels and pictures begin at other ones.
 */
const mostDrawn = 65_521;

function batchOf({ name, draw, ...kind }: Kind, rng: Rng, shapes: InputShapes, own: number): InputBatch {
  const size = kind.own ? own : 1;
  const [gain, spread] = [size * kind.gain, size * kind.spread];
  const tensors = Object.entries(shapes).map(([input, shape]): [string, SessionTensor] => {
    const data = new Float32Array(elementCount(shape));
    const inner = Math.max(1, elementCount(shape.slice(2)));
    const drawn = new Float64Array(Math.min(data.length, mostDrawn));
    for (let first = 0; first < data.length; first += inner) {
      const offset = spread * (2 * rng.next() - 1);
      for (let i = first; i < Math.min(first + inner, drawn.length); i++) drawn[i] = gain * draw(rng);
      for (let i = first; i < first + inner; i++) data[i] = drawn[i % mostDrawn]! + offset;
    }
    return [input, { shape, data }];
  });
  return new InputBatch(name, tensors.length === 1 ? tensors[0]![1] : Object.fromEntries(tensors));
}

/** Scales beyond this are no pictures' any more. */
const mostScale = 2 ** 10;

/**
 * The standard deviation of inputs on which the first BatchNorm's running variance is what uncorrelated pixels would give:
 * σ²(x) = mean over its channels of variance / Σ w². 1 where no BatchNorm follows a convolution of the input.
 */
function ownScale({ nodes, initializers, ...graph }: Graph): number {
  const inputs = new Set(graphInputs({ nodes, initializers, ...graph }).map(({ name }) => name));
  const conv = nodes.find(({ op, inputs: [x, w] }) => op === "Conv" && inputs.has(x!) && initializers.has(w!));
  const norm = conv && nodes.find(({ op, inputs: [x] }) => op === "BatchNormalization" && x === conv.outputs[0]);
  const [weight, variance] = [conv && initializers.get(conv.inputs[1]!), norm && initializers.get(norm.inputs[4]!)];
  if (!weight || !variance) return 1;
  const [values, variances] = [toFloat64(weight), toFloat64(variance)];
  const row = values.length / variances.length;
  let sum = 0;
  for (let channel = 0; channel < variances.length; channel++) {
    let squares = 0;
    for (let i = channel * row; i < (channel + 1) * row; i++) squares += values[i]! ** 2;
    sum += variances[channel]! / squares;
  }
  const scale = Math.sqrt(sum / variances.length);
  return scale > 1 / mostScale && scale < mostScale ? scale : 1;
}
