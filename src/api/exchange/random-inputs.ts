import { InputBatch, type VerifyInput } from "../../analysis/verify.js";
import { elementCount, toFloat64 } from "../../core/named-arrays.js";
import { type Rng, rngFor } from "../../core/rng.js";
import { graphInputs } from "../../engine/plan/prepare.js";
import type { SessionTensor } from "../../engine/session.js";
import type { Graph } from "../../graph/graph.js";
import type { InputShapes } from "./net-inputs.js";

/** A way to make inputs up: a number for each element, after numbers for its channel. */
interface Kind {
  readonly name: string;
  readonly make: (rng: Rng, offset: number, own: number) => number;
}

/**
 * Kinds of made-up inputs. Standard normal numbers alone leave many nets half asleep: what saturates, clips or never fires on them is not
 * compared. `own` is the size of inputs that the net's first BatchNorm has seen ({@link ownScale}), `offset` a number from −1 to 1 for
 * each channel.
 */
const kinds: readonly Kind[] = [
  { name: "normal", make: (rng) => rng.normal() },
  { name: "pictures", make: (rng) => rng.next() },
  { name: "large", make: (rng, offset, own) => 4 * own * (rng.normal() + offset) },
  { name: "small with offset", make: (rng, offset, own) => own * (offset + 0.05 * rng.normal()) },
];

/** Tried where an output stayed the same, or not finite, on all of the above. */
const furtherKinds: readonly Kind[] = [
  { name: "pictures of 0…255", make: (rng) => 255 * rng.next() },
  { name: "negative", make: (rng, _, own) => -4 * own * Math.abs(rng.normal()) },
  { name: "tiny", make: (rng, _, own) => 1e-3 * own * rng.normal() },
  { name: "huge", make: (rng, offset, own) => 1e4 * own * (rng.normal() + offset) },
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

function batchOf({ name, make }: Kind, rng: Rng, shapes: InputShapes, own: number): InputBatch {
  const tensors = Object.entries(shapes).map(([input, shape]): [string, SessionTensor] => {
    const data = new Float32Array(elementCount(shape));
    const inner = Math.max(1, elementCount(shape.slice(2)));
    let offset = 0;
    for (let i = 0; i < data.length; i++) {
      if (i % inner === 0) offset = 2 * rng.next() - 1;
      data[i] = make(rng, offset, own);
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
