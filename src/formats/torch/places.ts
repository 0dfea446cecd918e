import { PickleObject, type PickleValue } from "./pickle-values.js";
import { TorchTensor } from "./tensor.js";
import { type TorchModule, unpackModule } from "./torch-module.js";

/** A dictionary or module in a checkpoint that holds tensors by name. */
export interface Place {
  /** Keys from the top, with dots between: `model`, `model_ema.ema`; "" for the whole checkpoint. */
  readonly path: string;
  readonly entries: ReadonlyMap<string, PickleValue>;
  /** Of a module that was pickled as a whole: its modules by path. */
  readonly modules: ReadonlyMap<string, TorchModule>;
}

export interface Places {
  /** Where weights are usually kept, the preferred one first. */
  readonly usual: readonly Place[];
  /** Others that look like weights. */
  readonly unusual: readonly Place[];
  /** What an optimizer or the like keeps: taken only when it is asked for by its path. */
  readonly other: readonly Place[];
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

/** Keys of what trains a net and is not part of it. */
const trainingKeys = /optim|sched|scaler|rng|random|callback|loop|hyper_?param|history|metric|momentum|grad/i;

/** Wrappers in wrappers, and modules in modules. */
const maxDepth = 32;

/** A list of nets is not longer; a list of numbers may be. */
const maxListed = 64;

/** All places in a checkpoint that hold tensors by name. What the checkpoint refers to twice counts at its first place. */
export function findPlaces(root: PickleValue): Places {
  const usual: Place[] = [];
  const unusual: Place[] = [];
  const other: Place[] = [];
  const seen = new Set<PickleValue>();
  const visit = (value: PickleValue, path: string, depth: number, found: Place[]): void => {
    if (depth > maxDepth || typeof value !== "object" || value === null || seen.has(value)) return;
    seen.add(value);
    const below = (key: string): string => (path === "" ? key : `${path}.${key}`);
    if (Array.isArray(value)) {
      if (value.length > maxListed) return;
      const listed = found === usual ? unusual : found;
      for (const [i, element] of value.entries()) visit(element, below(String(i)), depth + 1, listed);
      return;
    }
    if (!(value instanceof Map) && !(value instanceof PickleObject)) return;
    const module = value instanceof PickleObject ? unpackModule(value) : undefined;
    const entries = module?.entries ?? textEntries(value instanceof PickleObject ? value.entries : value);
    const tensors = [...entries.values()].filter((entry) => isTensor(entry)).length;
    const inner: Place[] = [];
    if (!module) {
      for (const key of wrapperKeys) {
        const next = entries.get(key);
        if (next !== undefined) visit(next, below(key), depth + 1, found === usual ? inner : found);
      }
    }
    // A few tensors beside a wrapped net (a loss's weights, a count) are not what is looked for.
    const own = tensors > 0 ? [{ path, entries, modules: module?.modules ?? new Map<string, TorchModule>() }] : [];
    const wrapped = inner.some((place) => tensorCount(place) > tensors);
    found.push(...(wrapped ? [...inner, ...own] : [...own, ...inner]));
    if (module || tensors > 0) return;
    for (const [key, next] of entries) {
      if (wrapperKeys.includes(key)) continue;
      const list = trainingKeys.test(key) || found === other ? other : unusual;
      visit(next, below(key), depth + 1, list);
    }
  };
  visit(root, "", 0, usual);
  return { usual, unusual, other };
}

function tensorCount({ entries }: Place): number {
  return [...entries.values()].filter((entry) => isTensor(entry)).length;
}

function textEntries(value: ReadonlyMap<PickleValue, PickleValue>): Map<string, PickleValue> {
  const entries = new Map<string, PickleValue>();
  for (const [key, entry] of value) if (typeof key === "string") entries.set(key, entry);
  return entries;
}

/** A tensor, also of the kinds that have no dense array: sparse, quantized, on the meta device. */
export function isTensor(value: PickleValue): value is TorchTensor | PickleObject {
  return (
    value instanceof TorchTensor || (value instanceof PickleObject && /^torch\._(utils|tensor)\./.test(value.global))
  );
}
