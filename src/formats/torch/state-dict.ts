import { FormatError } from "../../core/errors.js";
import type { NamedArray, NamedArrays } from "../../core/named-arrays.js";
import { quoted } from "../array-bytes.js";
import { withContext } from "../error-context.js";
import { describeValue, PickleObject, type PickleValue } from "./pickle-values.js";
import { TorchTensor } from "./tensor.js";

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
}

/** Keys under which training scripts keep weights, the most usual first; averages last: they must be asked for. */
const wrapperKeys = [
  "model",
  "state_dict",
  "model_state_dict",
  "model_state",
  "module",
  "net",
  "network",
  "params",
  "weights",
  "generator",
  "ema",
  "model_ema",
  "ema_state_dict",
  "state_dict_ema",
  "ema_model",
];

/** Put before every name by DataParallel, torch.compile and Lightning modules. */
const wrapperPrefixes = ["module.", "_orig_mod.", "model."];

/** Wrappers in wrappers, and modules in modules. */
const maxDepth = 32;

/**
 * Finds the weights in a checkpoint: the state dict itself, one under a usual key (`model`, `state_dict`, …, also nested),
 * or the parameters and buffers of a module that was pickled as a whole.
 * @param options.path takes the weights at this place, as `alternatives` names it
 * @throws FormatError when there are none, or one of them is a tensor that we cannot read.
 */
export function findStateDict(root: PickleValue, options: { readonly path?: string } = {}): StateDict {
  const places = new Map<string, Map<string, PickleValue>>();
  collectPlaces(root, "", 0, places);
  const chosen = options.path ?? places.keys().next().value;
  const entries = chosen === undefined ? undefined : places.get(chosen);
  if (chosen === undefined || entries === undefined) throw noStateDict(root, options.path, [...places.keys()]);
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
  return { arrays, chosen, prefixes, alternatives: [...places.keys()].filter((path) => path !== chosen), skipped };
}

/** All places with weights below `value`, the preferred one first. */
function collectPlaces(
  value: PickleValue,
  path: string,
  depth: number,
  places: Map<string, Map<string, PickleValue>>,
): void {
  if (depth > maxDepth) return;
  const entries = value instanceof PickleObject ? moduleEntries(value) : textEntries(value);
  if (entries === undefined) return;
  if ([...entries.values()].some((entry) => isTensor(entry))) {
    places.set(path, entries);
    return;
  }
  for (const key of wrapperKeys) {
    const inner = entries.get(key);
    if (inner !== undefined) collectPlaces(inner, path === "" ? key : `${path}.${key}`, depth + 1, places);
  }
}

function textEntries(value: PickleValue): Map<string, PickleValue> | undefined {
  if (!(value instanceof Map)) return undefined;
  const entries = new Map<string, PickleValue>();
  for (const [key, entry] of value) if (typeof key === "string") entries.set(key, entry);
  return entries;
}

/** The state dict of a pickled `torch.nn.Module` by its attributes; undefined for other objects. */
function moduleEntries(root: PickleObject): Map<string, PickleValue> | undefined {
  const entries = new Map<string, PickleValue>();
  const visit = (module: PickleValue, prefix: string, depth: number): boolean => {
    if (!(module instanceof PickleObject) || !(module.state instanceof Map) || depth > maxDepth) return false;
    const parts = ["_parameters", "_buffers", "_modules"].map((key) =>
      (module.state as Map<PickleValue, PickleValue>).get(key),
    );
    const [parameters, buffers, modules] = parts.map((part) => textEntries(part ?? null));
    if (parameters === undefined || buffers === undefined || modules === undefined) return false;
    for (const [name, value] of [...parameters, ...buffers]) if (value !== null) entries.set(prefix + name, value);
    for (const [name, child] of modules) visit(child, `${prefix}${name}.`, depth + 1);
    return true;
  };
  return visit(root, "", 0) ? entries : textEntries(root.entries);
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

/** A tensor, also of the kinds that have no dense array: sparse, quantized, on the meta device. */
function isTensor(value: PickleValue): value is TorchTensor | PickleObject {
  return (
    value instanceof TorchTensor || (value instanceof PickleObject && /^torch\._(utils|tensor)\./.test(value.global))
  );
}

function unreadable(name: string, value: PickleValue): FormatError {
  return new FormatError({
    expected: `a dense tensor for ${quoted(name)}`,
    received: describeValue(value),
    remedy: "convert it with PyTorch: state_dict[name].to_dense() or .dequantize()",
  });
}

function noStateDict(root: PickleValue, path: string | undefined, places: readonly string[]): FormatError {
  if (path !== undefined) {
    return new FormatError({
      expected:
        places.length > 0 ? `one of the weights in the file: ${places.map(quoted).join(", ")}` : "weights in the file",
      received: quoted(path),
    });
  }
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
