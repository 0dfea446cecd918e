import { asFloat32 } from "../core/deferred-array.js";
import { nearest, UserError } from "../core/errors.js";
import type { NamedArray, NamedArrays } from "../core/named-arrays.js";
import { elementCount } from "../core/named-arrays.js";
import type { Architecture, Form } from "./architecture.js";
import { auxHeadLayouts, type BlockLayout, blockLayouts, featureChannels } from "./layout.js";

/** What an array of a state is. `conv` and `linear` are weights; `bias` is the bias of either. */
export type ParameterKind = "conv" | "linear" | "bias" | "bn-weight" | "bn-bias" | "bn-mean" | "bn-var" | "bn-count";

export interface StateEntry {
  readonly name: string;
  /** PyTorch's: convolutions [O, I/groups, kh, kw], linear [out, in], BN [C], num_batches_tracked []. */
  readonly shape: readonly number[];
  readonly kind: ParameterKind;
  /** Float32, but for the int64 counter `num_batches_tracked`. */
  readonly dtype: "f32" | "i64";
  /** Learned by gradients: not a BN statistic. */
  readonly trainable: boolean;
  /** Weight decay applies: weights of convolutions and linear layers, and `rbr_identity.weight` (the authors' rule). */
  readonly decay: boolean;
}

/** Names and shapes of a net's state, in the official order. */
export type StateSchema = ReadonlyMap<string, StateEntry>;

/** The state that a net of this architecture has in this form. */
export function stateSchema(architecture: Architecture, form: Form): StateSchema {
  const schema = new Map<string, StateEntry>();
  const add = (name: string, kind: ParameterKind, shape: readonly number[]): void => {
    const trainable = kind !== "bn-mean" && kind !== "bn-var" && kind !== "bn-count";
    const decay =
      kind === "conv" || kind === "linear" || (kind === "bn-weight" && name.endsWith("rbr_identity.weight"));
    schema.set(name, { name, shape, kind, dtype: kind === "bn-count" ? "i64" : "f32", trainable, decay });
  };
  const conv = (path: string, [o, i, k]: readonly [number, number, number], bias: boolean): void => {
    add(`${path}.weight`, "conv", [o, i, k, k]);
    if (bias) add(`${path}.bias`, "bias", [o]);
  };
  const batchNorm = (path: string, channels: number): void => {
    add(`${path}.weight`, "bn-weight", [channels]);
    add(`${path}.bias`, "bn-bias", [channels]);
    add(`${path}.running_mean`, "bn-mean", [channels]);
    add(`${path}.running_var`, "bn-var", [channels]);
    add(`${path}.num_batches_tracked`, "bn-count", []);
  };
  const linear = (path: string, channels: number): void => {
    add(`${path}.weight`, "linear", [architecture.classes, channels]);
    add(`${path}.bias`, "bias", [architecture.classes]);
  };
  const block = (layout: BlockLayout): void => {
    const { path, outChannels, squeezeExcite } = layout;
    const inPerGroup = layout.inChannels / layout.groups;
    if (squeezeExcite) {
      conv(`${squeezeExcite.path}.down`, [squeezeExcite.squeezed, squeezeExcite.channels, 1], true);
      conv(`${squeezeExcite.path}.up`, [squeezeExcite.channels, squeezeExcite.squeezed, 1], true);
    }
    if (form === "plain") {
      conv(`${path}.rbr_reparam`, [outChannels, inPerGroup, 3], true);
      return;
    }
    if (layout.identity) batchNorm(`${path}.rbr_identity`, outChannels);
    conv(`${path}.rbr_dense.conv`, [outChannels, inPerGroup, 3], false);
    batchNorm(`${path}.rbr_dense.bn`, outChannels);
    if (layout.pointwise) {
      conv(`${path}.rbr_1x1.conv`, [outChannels, inPerGroup, 1], false);
      batchNorm(`${path}.rbr_1x1.bn`, outChannels);
    }
  };

  for (const layout of blockLayouts(architecture)) block(layout);
  linear("linear", featureChannels(architecture));
  if (form === "train") {
    for (const { path, channels } of auxHeadLayouts(architecture)) {
      conv(`${path}.0.conv`, [channels, channels, 3], false);
      batchNorm(`${path}.0.bn`, channels);
      linear(`${path}.3`, channels);
    }
  }
  return schema;
}

/**
 * Checks names and shapes of a state. A missing `num_batches_tracked` is no error: checkpoints older than PyTorch 0.4.1
 * and several converters leave it out.
 * @throws UserError that lists what is missing, unexpected (with the nearest name) or of another shape.
 */
export function checkState(state: NamedArrays, schema: StateSchema): void {
  const missing = [...schema.values()].filter((entry) => entry.kind !== "bn-count" && !state.has(entry.name));
  const unexpected = [...state.keys()].filter((name) => !schema.has(name));
  if (missing.length || unexpected.length) {
    const near =
      unexpected[0] === undefined
        ? undefined
        : nearest(
            unexpected[0],
            missing.map((entry) => entry.name),
          );
    throw new UserError({
      expected: `the ${schema.size} weights of this architecture and form`,
      received: [
        missing.length ? `${missing.length} missing (${some(missing.map((entry) => entry.name))})` : "",
        unexpected.length ? `${unexpected.length} unexpected (${some(unexpected)})` : "",
      ]
        .filter(Boolean)
        .join(" and "),
      remedy: near ? `"${unexpected[0]}" may be "${near}"` : "check the architecture, the form and the naming scheme",
    });
  }
  for (const [name, array] of state) {
    const entry = schema.get(name)!;
    // Some writers store the counter as [1].
    const fits = entry.kind === "bn-count" ? elementCount(array.shape) === 1 : sameShape(array.shape, entry.shape);
    if (!fits) {
      throw new UserError({
        expected: `${name} of shape [${entry.shape.join(", ")}]`,
        received: `[${array.shape.join(", ")}]`,
        remedy: "check depths, widths, groups and classes of the architecture",
      });
    }
  }
}

/**
 * A checked state as a {@link NamedArrays} in the official order: floating values as float32, missing counters as 0.
 * @throws UserError as {@link checkState}.
 */
export function conformState(state: NamedArrays, schema: StateSchema): NamedArrays {
  checkState(state, schema);
  const result = new Map<string, NamedArray>();
  for (const { name, shape, dtype } of schema.values()) {
    const array = state.get(name);
    if (dtype === "f32") result.set(name, asFloat32(array!));
    else result.set(name, { dtype, shape, data: BigInt64Array.of(array ? BigInt(array.data[0]!) : 0n) });
  }
  return result;
}

function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((size, i) => size === b[i]);
}

function some(names: readonly string[]): string {
  return names.length <= 3 ? names.join(", ") : `${names.slice(0, 3).join(", ")}, …`;
}
