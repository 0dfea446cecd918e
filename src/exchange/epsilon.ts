import { UserError } from "../core/errors.js";
import type { TorchModule } from "../formats/torch/torch-module.js";
import { type Architecture, batchNormEpsilon } from "../nn/architecture.js";
import { some } from "./sentences.js";

/** ε of BatchNorms as an architecture states it, and where it comes from, in a sentence. */
export interface ChosenEpsilon {
  readonly epsilon: Architecture["batchNormEpsilon"];
  readonly note: string;
}

/** What is known of ε beside the weights, the first that says something counts. */
export interface EpsilonSources {
  /** What the caller says. */
  readonly asked?: number | undefined;
  /** Why it does, for the note. Default: "as asked for". */
  readonly by?: string | undefined;
  /** What the file's metadata says. */
  readonly stated?: Architecture["batchNormEpsilon"];
  /** The pickled module of a BatchNorm by its official path, where the file holds modules. */
  readonly moduleAt: (path: string) => TorchModule | undefined;
  /** All names of the file. */
  readonly names: Iterable<string>;
}

/** Families whose code sets ε = 1e-3 on every BatchNorm, by names that no other net has. */
const families: readonly (readonly [name: RegExp, family: string])[] = [
  [/(^|\.)ERBlock_\d\./, "YOLOv6"],
  [/(^|\.)detect\.(stems|cls_convs|reg_convs|cls_preds|reg_preds)\./, "YOLOv6"],
  [/(^|\.)dfl\.conv\.weight$/, "YOLO of Ultralytics"],
  [/(^|\.)model\.\d+\.anchors$/, "YOLO of Ultralytics"],
  [/(^|\.)heads?\.head\d+\.(cls_convs|reg_convs|cls_pred|reg_pred)\./, "YOLO-NAS"],
];

/**
 * ε of the BatchNorms at these paths. Weights by name do not hold it: without a pickled module it is taken from names that only a
 * family with another one has, else PyTorch's default, and the note says which.
 * @param paths of the BatchNorms, official
 * @throws UserError for an ε that is none.
 */
export function chooseEpsilon(paths: readonly string[], sources: EpsilonSources): ChosenEpsilon | undefined {
  const { asked, by = "as asked for", stated, moduleAt, names } = sources;
  if (asked !== undefined && !(Number.isFinite(asked) && asked >= 0)) {
    throw new UserError({ expected: "an ε of BatchNorm: a number ≥ 0", received: `${asked}` });
  }
  if (paths.length === 0) {
    return asked === undefined
      ? undefined
      : { epsilon: undefined, note: "no BatchNorm is left in the net: its ε is not used" };
  }
  const read = new Map<string, number>();
  for (const path of paths) {
    const value = moduleAt(path)?.settings.get("eps");
    if (typeof value === "number" && Number.isFinite(value) && value >= 0) read.set(path, value);
  }
  if (asked !== undefined) {
    const others = [...new Set(read.values())].filter((value) => value !== asked);
    const against = others.length > 0 ? `, against the file, whose modules say ${some(others.map(digits))}` : "";
    return { epsilon: unlessDefault(asked), note: `ε of every BatchNorm: ${digits(asked)}, ${by}${against}` };
  }
  if (stated !== undefined) {
    const values = typeof stated === "number" ? [stated] : [...new Set(Object.values(stated))];
    return { epsilon: stated, note: `ε of BatchNorm: ${some(values.map(digits))}, as the file's metadata says` };
  }
  if (read.size > 0) return ofModules(paths, read);
  for (const name of names) {
    const family = families.find(([pattern]) => pattern.test(name))?.[1];
    if (family) {
      return {
        epsilon: 1e-3,
        note: `the weights do not say BatchNorm's ε: 0.001 for all, as ${family} has it (by ${name}); --bn-eps says another`,
      };
    }
  }
  return {
    epsilon: undefined,
    note: `the weights do not say BatchNorm's ε: assumed ${digits(batchNormEpsilon)}, PyTorch's default; --bn-eps says another (nets from TensorFlow and YOLO have 0.001)`,
  };
}

function ofModules(paths: readonly string[], read: ReadonlyMap<string, number>): ChosenEpsilon {
  const values = [...new Set(read.values())];
  const silent = paths.length - read.size;
  const rest = silent > 0 ? `; ${silent} say nothing: ${digits(batchNormEpsilon)}` : "";
  if (values.length === 1 && silent === 0) {
    const [value] = values;
    return {
      epsilon: unlessDefault(value!),
      note: `ε of every BatchNorm: ${digits(value!)}, as the pickled modules say`,
    };
  }
  const others = [...read].filter(([, value]) => value !== batchNormEpsilon);
  return {
    epsilon: others.length > 0 ? Object.fromEntries(others) : undefined,
    note: `ε of BatchNorm by module, as the pickled modules say: ${some(values.map(digits))}${rest}`,
  };
}

function unlessDefault(epsilon: number): number | undefined {
  return epsilon === batchNormEpsilon ? undefined : epsilon;
}

function digits(epsilon: number): string {
  return epsilon > 0 && epsilon < 1e-3 ? epsilon.toExponential() : String(epsilon);
}
