import { FormatError } from "../../core/errors.js";
import type { NamedArray, NamedArrays } from "../../core/named-arrays.js";
import { quoted } from "../array-bytes.js";
import { withContext } from "../error-context.js";
import { describeValue, type PickleValue } from "./pickle-values.js";
import { findPlaces, isTensor, type Place, type Places } from "./places.js";
import { TorchTensor } from "./tensor.js";
import type { TorchModule } from "./torch-module.js";

export interface StateDict {
  /** Weights by name, in the order of the file, wrapping prefixes taken off. */
  readonly arrays: Map<string, NamedArray>;
  /** Where in the checkpoint they were: `model`, `state_dict`; "" when the checkpoint is nothing else. */
  readonly chosen: string;
  /** Prefixes that every name had and that were taken off: `module.`. */
  readonly prefixes: readonly string[];
  /** Other places where weights are (an average, `model_ema`), to choose with `options.path`. */
  readonly alternatives: readonly string[];
  /** Entries among the weights that are no tensors. */
  readonly skipped: readonly string[];
  /** Of a net that was pickled as a whole: its modules by path, as the names of their weights begin. Else empty. */
  readonly modules: ReadonlyMap<string, TorchModule>;
}

/** Put before every name by DataParallel, torch.compile and Lightning modules. */
const wrapperPrefixes = ["module.", "_orig_mod.", "model."];

/**
 * Finds the weights in a checkpoint: the state dict itself, one under a usual key (`model`, `state_dict`, …, also nested) or
 * under the only other one, or the parameters and buffers of a module that was pickled as a whole.
 * @param options.path takes the weights at this place, as `alternatives` names it, also at any other place in the checkpoint, or
 *   of those only whose names begin so
 * @throws FormatError when there are none, several that are equally likely, or one of them is a tensor that we cannot read.
 */
export function findStateDict(root: PickleValue, options: { readonly path?: string } = {}): StateDict {
  const places = findPlaces(root);
  const {
    path: chosen,
    entries,
    modules,
  } = options.path === undefined ? preferred(places, root) : at(places, options.path);
  const arrays = new Map<string, NamedArray>();
  const skipped: string[] = [];
  const { prefixes, length } = commonPrefixes([...entries.keys()]);
  for (const [name, value] of entries) {
    if (value instanceof TorchTensor)
      arrays.set(
        name.includes(".") ? name.slice(length) : name,
        withContext(`for ${quoted(name)}`, () => value.toArray()),
      );
    else if (isTensor(value)) throw unreadable(name, value);
    else skipped.push(name);
  }
  const alternatives = [...places.usual, ...places.unusual].map(({ path }) => path).filter((path) => path !== chosen);
  const bare = new Map([...modules].map(([path, module]) => [path.slice(length), module]));
  return { arrays, chosen, prefixes, alternatives, skipped, modules: bare };
}

function preferred({ usual, unusual }: Places, root: PickleValue): Place {
  if (usual[0]) return usual[0];
  if (unusual.length === 1) return unusual[0]!;
  if (unusual.length === 0) throw noStateDict(root);
  throw new FormatError({
    expected: "one set of weights, or a key that says which",
    received: `weights under ${unusual.map(({ path }) => quoted(path)).join(", ")}`,
    remedy: `choose one with --key (key): ${unusual[0]!.path}`,
  });
}

/** The place of this path, or what in a place has names that begin with the rest of it. */
function at({ usual, unusual, other }: Places, path: string): Place {
  const all = [...usual, ...unusual, ...other];
  const whole = all.find((place) => place.path === path);
  if (whole) return whole;
  for (const place of all) {
    const prefix =
      place.path === "" ? path : path.startsWith(`${place.path}.`) ? path.slice(place.path.length + 1) : "";
    const start = prefix.endsWith(".") ? prefix : `${prefix}.`;
    const below = <T>(map: ReadonlyMap<string, T>): Map<string, T> =>
      new Map([...map].flatMap(([name, value]) => (name.startsWith(start) ? [[name.slice(start.length), value]] : [])));
    const entries = below(place.entries);
    if (prefix !== "" && [...entries.values()].some((entry) => isTensor(entry))) {
      return { path, entries, modules: below(place.modules) };
    }
  }
  const known = [...usual, ...unusual].filter((place) => place.path !== "").map((place) => quoted(place.path));
  throw new FormatError({
    expected: known.length > 0 ? `one of the weights in the file: ${known.join(", ")}` : "weights in the file",
    received: quoted(path),
    ...(known.length === 0 &&
      all.length > 0 && { remedy: "leave the key out: the file is nothing but one set of weights" }),
  });
}

/** Weights without the prefixes that wrapping modules put before every name. */
export function withoutWrapperPrefixes(weights: NamedArrays): {
  readonly arrays: NamedArrays;
  readonly prefixes: readonly string[];
} {
  const { prefixes, length } = commonPrefixes([...weights.keys()]);
  if (length === 0) return { arrays: weights, prefixes };
  const bare = (name: string): string => (name.includes(".") ? name.slice(length) : name);
  return { arrays: new Map([...weights].map(([name, array]) => [bare(name), array])), prefixes };
}

function commonPrefixes(names: readonly string[]): { prefixes: string[]; length: number } {
  const dotted = names.filter((name) => name.includes(".")); // counters like `n_averaged` stand outside
  const prefixes: string[] = [];
  let length = 0;
  for (;;) {
    const prefix = wrapperPrefixes.find((p) => dotted.length > 0 && dotted.every((name) => name.startsWith(p, length)));
    if (prefix === undefined) return { prefixes, length };
    prefixes.push(prefix);
    length += prefix.length;
  }
}

function unreadable(name: string, value: PickleValue): FormatError {
  return new FormatError({
    expected: `a dense tensor for ${quoted(name)}`,
    received: describeValue(value),
    remedy: "convert it with PyTorch: state_dict[name].to_dense() or .dequantize()",
  });
}

function noStateDict(root: PickleValue): FormatError {
  const keys = root instanceof Map ? ` with the keys ${[...root.keys()].slice(0, 8).map(describeKey).join(", ")}` : "";
  return new FormatError({
    expected: "a state dict: tensors by name, as it is or under a key like model or state_dict",
    received: `${describeValue(root)}${keys}`,
    remedy: "save the weights with torch.save(model.state_dict(), FILE)",
  });
}

function describeKey(key: PickleValue): string {
  return typeof key === "string" ? quoted(key) : describeValue(key);
}
