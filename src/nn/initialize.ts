import type { NamedArray, NamedArrays } from "../core/named-arrays.js";
import { elementCount } from "../core/named-arrays.js";
import { rngFor } from "../core/rng.js";
import type { Architecture, Form } from "./architecture.js";
import type { StateEntry } from "./schema-builder.js";
import { stateSchema } from "./state-schema.js";

/** What BatchNorms begin with: `fresh` as training begins (γ = 1, β = 0, mean 0, variance 1), `seeded` with numbers of the size that training gives. */
export type Statistics = "fresh" | "seeded";

/**
 * Fresh weights, equal in distribution to PyTorch's defaults, which the authors keep: convolution and linear weights
 * and biases uniform in ±1/√fanIn (`kaiming_uniform_` with a = √5), BN γ = 1, β = 0, mean 0, variance 1.
 * Each array depends on `seed` and its own name only.
 * @param statistics `seeded`: BatchNorms get random numbers of the size that training gives, so that folding has something to fold.
 */
export function initialState(
  architecture: Architecture,
  form: Form,
  seed: number,
  statistics: Statistics = "fresh",
): NamedArrays {
  const schema = stateSchema(architecture, form);
  const state = new Map<string, NamedArray>();
  for (const entry of schema.values()) {
    const { name, shape, dtype, initial } = entry;
    if (dtype === "i64") {
      state.set(name, { dtype, shape, data: new BigInt64Array(1) });
      continue;
    }
    const data = new Float32Array(elementCount(shape)).fill(initial ?? 0);
    const range = statistics === "seeded" ? seededRanges[entry.kind] : undefined;
    if (range) fillUniform(data, seed, name, range);
    else if (initial === undefined) {
      const weight = entry.kind === "bias" ? schema.get(name.replace(/bias$/, "weight"))! : entry;
      const bound = 1 / Math.sqrt(fanIn(weight));
      fillUniform(data, seed, name, [-bound, bound]);
    }
    state.set(name, { dtype, shape, data });
  }
  return state;
}

type Range = readonly [from: number, to: number];

const seededRanges: Partial<Record<StateEntry["kind"], Range>> = {
  "bn-weight": [0.4, 1.2],
  "bn-bias": [-0.2, 0.2],
  "bn-mean": [-0.2, 0.2],
  "bn-var": [0.4, 1.6],
};

function fillUniform(data: Float32Array, seed: number, name: string, [from, to]: Range): void {
  const rng = rngFor(seed, "init", name);
  for (let i = 0; i < data.length; i++) data[i] = rng.uniform(from, to);
}

/** Inputs that reach one output: all sizes but the first. */
function fanIn(weight: StateEntry): number {
  return elementCount(weight.shape.slice(1));
}
