import { ShapeError, UserError } from "../../core/errors.js";
import { shortNumber } from "../../core/format.js";
import { elementCount, type NamedArray, toFloat64 } from "../../core/named-arrays.js";
import { rngFor } from "../../core/rng.js";
import { intsAttribute } from "../../graph/attributes.js";
import type { Graph, GraphNode, ValueInfo } from "../../graph/graph.js";
import type { Measured } from "./measured.js";
import { probeShapes } from "./probe-shapes.js";
import { type Constants, runLinear } from "./region-run.js";

/** How the new node's weights are stored: what one rounding of them may change. */
export type StoredType = "f64" | "f32" | "f16" | "bf16";

/** A region and the nodes that replace it, compared in float64. Plain data. */
export interface RegionProof {
  /** The value that both give, and the one that they read. */
  readonly output: string;
  /** The value that they read. */
  readonly source: string;
  /** The new node. */
  readonly conv: string;
  /** Shapes of the sources that both were run on. */
  readonly shapes: readonly (readonly number[])[];
  /** Type of the new node's weights. */
  readonly storedAs: StoredType;
  /** Largest difference, by the largest number of its own channel. */
  readonly relative: number;
  /** Largest difference in multiples of what rounding the stored weights once may change at that place: proven up to 1. */
  readonly ofBound: number;
  /** The channel of the largest `ofBound`; of `nonFinite` numbers the first. */
  readonly worstChannel: number;
  /** Numbers that are NaN or infinite on either side, and what the first one is. */
  readonly nonFinite: number;
  /** The first number that is NaN or infinite, in words. */
  readonly firstNonFinite?: string;
  /** The difference is at most what one rounding of the stored weights explains. */
  readonly proven: boolean;
  /** Why it could not be run. */
  readonly obstacle?: string;
}

/** A region: the nodes that went, in order, from one value to another. */
export interface Region {
  readonly source: string;
  readonly output: string;
  readonly nodes: readonly GraphNode[];
}

/** One rounding, relative. */
const unit: Readonly<Record<StoredType, number>> = { f64: 2 ** -53, f32: 2 ** -24, f16: 2 ** -11, bf16: 2 ** -8 };

/** Float64's own rounding, amplified by long sums: an allowance. */
const arithmetic = 2 ** -44;

/**
 * What is left of constants that cancel where a region pads inside: the fold takes a bias that is a few float32 roundings of its terms for
 * zero (docs/fold/composition.md), and the border then differs by that much.
 */
const cancelled = 2 ** -20;

/**
 * Compares a region with the node that replaces it, on random sources in float64, number by number. Both are affine in the source, so that
 * maps that are not the same differ on random numbers (but for a chance of measure zero); sizes are such that every tap and border shows.
 * The bound is one rounding of each stored weight, Σ u·|w·x|, and float64's own noise on the terms that were summed.
 *
 * @param given constants that the region's nodes read
 * @param made what replaces it, in order, with `constants`
 * @param read the source's type and shape, as far as known
 * @param halves weights of two and more axes are float16 numbers, whatever type they are stored in
 */
export function proveRegion(
  region: Region,
  given: Constants,
  made: readonly GraphNode[],
  constants: Graph["initializers"],
  read: Pick<ValueInfo, "dtype" | "shape"> | undefined,
  halves: boolean,
): RegionProof {
  const shape = read?.shape;
  const { nodes } = region;
  const node = made.find(({ op }) => op !== "Reshape") ?? made[0];
  const weights = new Map(
    made
      .flatMap(({ inputs }) => inputs.slice(1))
      .flatMap((name) => (constants.has(name) ? [[name, inMemory(constants.get(name)!)]] : [])),
  );
  const weight = [...weights.values()].find(({ dtype }) => isStored(dtype));
  const storedAs = weight && isStored(weight.dtype) ? (halves ? "f16" : weight.dtype) : "f32";
  const facts = { output: region.output, source: region.source, conv: node.name, storedAs };
  const both = { get: (name: string) => weights.get(name) ?? given.get(name) };
  const slack = arithmetic + (padsInside(nodes) ? cancelled : 0);
  const failed = (obstacle: string): RegionProof => ({
    ...{ ...facts, shapes: [], relative: Number.POSITIVE_INFINITY, ofBound: Number.POSITIVE_INFINITY, worstChannel: 0 },
    ...{ nonFinite: 0, proven: false, obstacle },
  });
  if (read && !isStored(read.dtype)) return failed(`numbers of type ${read.dtype}, which are rounded at each node`);
  const whole = shape?.every((size, axis) => axis === 0 || typeof size === "number")
    ? [typeof shape[0] === "number" ? shape[0] : 1, ...(shape.slice(1) as number[])]
    : undefined;
  const attempt = (shapesOf: () => readonly (readonly number[])[]): RegionProof => {
    try {
      const shapes = shapesOf();
      const meter = new RegionMeter(slack, storedAs);
      for (const each of shapes) {
        const source = randomSource(each, region.output);
        const expected = runLinear(nodes, given, region.source, source, region.output);
        const received = runLinear(made, weights, made[0].inputs[0], source, region.output);
        const steps =
          storedAs === "f16" ? runLinear(made, halfSteps(weights), made[0].inputs[0], source, region.output) : received;
        meter.push(expected, received, steps.magnitude);
      }
      return { ...facts, shapes, ...meter.result };
    } catch (error) {
      if (error instanceof UserError) return failed(error.message);
      throw error;
    }
  };
  // What looks at an image's numbers as features is made for that image.
  const reshapes = made[0].op === "Reshape" || made.at(-1)?.op === "Reshape";
  const proof = attempt(() => (reshapes && whole ? [whole] : probeShapes(nodes, node, both, shape)));
  // A region that is made for one size (it cuts at places counted from the first) shows itself only there.
  const elsewhere = whole && `${[whole]}` !== `${proof.shapes}` && elementCount(whole) <= mostWhole;
  return proof.proven || proof.nonFinite > 0 || !elsewhere ? proof : attempt(() => [whole]);
}

/** A source's numbers up to which a region that fails on a small one is tried again on the whole. */
const mostWhole = 2 ** 22;

const isStored = (dtype: NamedArray["dtype"]): dtype is StoredType => dtype in unit;

function inMemory({ dtype, shape, data }: NamedArray): NamedArray {
  return { dtype, shape, data } as NamedArray;
}

/** What is wrong with a region that is not proven, in one clause. */
export function describeRegion(proof: RegionProof): string {
  const { output, worstChannel, relative, ofBound, firstNonFinite, obstacle, storedAs } = proof;
  if (obstacle !== undefined) return `no comparison of the nodes that were folded into "${output}" (${obstacle})`;
  const place = `channel ${worstChannel} of "${output}"`;
  if (firstNonFinite !== undefined) return `${firstNonFinite} at ${place}, which proves nothing`;
  return `a relative error of ${shortNumber(relative)} at ${place}, ${shortNumber(ofBound)} times what rounding its weights to ${storedAs} explains`;
}

/** Below 2⁻¹⁴ the steps of float16 stay the same. */
function halfSteps(weights: ReadonlyMap<string, NamedArray>): Map<string, NamedArray> {
  const steps = [...weights].map(([name, array]): [string, NamedArray] => {
    if (!isStored(array.dtype)) return [name, array];
    const data = toFloat64(array).map((value) => Math.max(Math.abs(value), 2 ** -14));
    return [name, { dtype: "f64", shape: array.shape, data }];
  });
  return new Map(steps);
}

/** Some node pads what other nodes of the region give. */
function padsInside(nodes: readonly GraphNode[]): boolean {
  const given = new Set(nodes.flatMap(({ outputs }) => outputs));
  return nodes.some(
    (node) =>
      given.has(node.inputs[0]) &&
      (node.op === "Pad" ||
        node.op === "ScatterND" ||
        node.attributes.auto_pad !== undefined ||
        (["Conv", "AveragePool"].includes(node.op) && (intsAttribute(node, "pads") ?? []).some((pad) => pad !== 0))),
  );
}

/** Numbers of magnitudes from 0.5 to 1, so that the bound on rounding, which takes 1, is near. */
function randomSource(shape: readonly number[], label: string): Measured {
  const rng = rngFor(0, "region", label, shape.join());
  const value = Float64Array.from(
    { length: elementCount(shape) },
    () => (rng.next() < 0.5 ? -1 : 1) * (0.5 + 0.5 * rng.next()),
  );
  return { shape, value, magnitude: new Float64Array(value.length).fill(1) };
}

class RegionMeter {
  readonly #slack: number;
  readonly #unit: number;
  readonly #errors: number[] = [];
  readonly #scales: number[] = [];
  #ofBound = 0;
  #worstChannel = 0;
  #nonFinite = 0;
  #firstNonFinite: string | undefined;

  constructor(slack: number, storedAs: StoredType) {
    this.#slack = slack;
    this.#unit = unit[storedAs];
  }

  /** @param steps of the received: Σ |w·x|, with no |w| below the smallest whose rounding is relative */
  push(expected: Measured, received: Measured, steps: Float64Array): void {
    if (`${expected.shape}` !== `${received.shape}`) {
      throw new ShapeError({
        expected: `a value of shape [${expected.shape.join(", ")}]`,
        received: `[${received.shape.join(", ")}]`,
      });
    }
    const [, channels = 1, ...rest] = expected.shape;
    const inner = rest.reduce((product, size) => product * size, 1);
    for (let i = 0; i < expected.value.length; i++) {
      const channel = Math.floor(i / inner) % channels;
      const [a, b] = [expected.value[i], received.value[i]];
      const error = Math.abs(a - b);
      if (!Number.isFinite(error)) {
        if (this.#nonFinite === 0) {
          this.#worstChannel = channel;
          this.#firstNonFinite = Object.is(a, b) ? `${a} in both nets` : `${a} in the net, ${b} in its fold`;
        }
        this.#nonFinite++;
        continue;
      }
      this.#errors[channel] = Math.max(this.#errors[channel] ?? 0, error);
      this.#scales[channel] = Math.max(this.#scales[channel] ?? 0, Math.abs(a));
      const bound = 1.01 * this.#unit * steps[i] + this.#slack * expected.magnitude[i];
      const ofBound = error === 0 ? 0 : error / bound;
      if (ofBound > this.#ofBound && this.#nonFinite === 0) {
        this.#ofBound = ofBound;
        this.#worstChannel = channel;
      }
    }
  }

  get result(): Omit<RegionProof, "output" | "source" | "conv" | "shapes" | "storedAs" | "obstacle"> {
    const relative = this.#errors.reduce((most, error, c) => Math.max(most, error / (this.#scales[c] || 1)), 0);
    const proven = this.#nonFinite === 0 && this.#ofBound <= 1;
    return {
      ...{ relative, ofBound: this.#ofBound, worstChannel: this.#worstChannel, nonFinite: this.#nonFinite, proven },
      ...(this.#firstNonFinite !== undefined && { firstNonFinite: this.#firstNonFinite }),
    };
  }
}
