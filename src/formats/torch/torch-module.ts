import { PickleObject, type PickleValue } from "./pickle-values.js";

/** A `torch.nn.Module` that was pickled with its net: what it says of itself beside its weights. */
export interface TorchModule {
  /** Its class: `torch.nn.modules.batchnorm.BatchNorm2d`. */
  readonly type: string;
  /** Its settings that are numbers, texts or tuples of numbers: `eps`, `stride`, `padding_mode`. */
  readonly settings: ReadonlyMap<string, number | string | readonly number[]>;
}

/** Modules in modules. */
const maxDepth = 32;

/** A net has not so many modules and weights; a malicious pickle may refer to the same ones from many places. */
const maxModules = 100_000;
const maxEntries = 1_000_000;

/** The state dict of a pickled module by its attributes, and its modules by path; undefined for other objects. */
export function unpackModule(
  root: PickleObject,
): { readonly entries: Map<string, PickleValue>; readonly modules: Map<string, TorchModule> } | undefined {
  const entries = new Map<string, PickleValue>();
  const modules = new Map<string, TorchModule>();
  const known = new Map<PickleObject, TorchModule>();
  const visit = (module: PickleValue, path: string, depth: number): boolean => {
    if (!(module instanceof PickleObject) || !(module.state instanceof Map) || depth > maxDepth) return false;
    const attributes = module.state as ReadonlyMap<PickleValue, PickleValue>;
    const [parameters, buffers, children] = ["_parameters", "_buffers", "_modules"].map((key) => attributes.get(key));
    if (!(parameters instanceof Map && buffers instanceof Map && children instanceof Map)) return false;
    if (modules.size >= maxModules || entries.size >= maxEntries) return false;
    const facts = known.get(module) ?? { type: module.global, settings: settingsOf(attributes) };
    known.set(module, facts);
    modules.set(path, facts);
    const inside = (name: string): string => (path === "" ? name : `${path}.${name}`);
    for (const [name, value] of [...parameters, ...buffers]) {
      if (typeof name === "string" && value !== null) entries.set(inside(name), value);
    }
    for (const [name, child] of children) if (typeof name === "string") visit(child, inside(name), depth + 1);
    return true;
  };
  return visit(root, "", 0) ? { entries, modules } : undefined;
}

function settingsOf(attributes: ReadonlyMap<PickleValue, PickleValue>): TorchModule["settings"] {
  const settings = new Map<string, number | string | readonly number[]>();
  for (const [name, value] of attributes) {
    if (typeof name !== "string") continue;
    if (typeof value === "number" || typeof value === "string") settings.set(name, value);
    else if (Array.isArray(value) && value.every((item) => typeof item === "number")) settings.set(name, value);
  }
  return settings;
}
