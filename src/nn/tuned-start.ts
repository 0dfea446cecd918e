import { UserError } from "../core/errors.js";
import { hasPlainBlocks, withBranchesAgain } from "./branches-again.js";
import { blockLayouts } from "./layout.js";
import type { Model } from "./model.js";
import { withClasses } from "./new-head.js";

/** Pixels of the input: the side of a square, or both. */
export type InputSize = number | readonly [height: number, width: number];

/** A net that was trained before, ready to be trained on other pictures. */
export interface TunedStart {
  /** In training form, with the new classes and its own preprocessing. */
  readonly model: Model;
  /** The same net with its plain blocks, where {@link model} got branches again whose statistics are still to be taken. */
  readonly plain: Model | undefined;
  /** What was done, in sentences. */
  readonly remarks: readonly string[];
}

export interface TunedStartOptions {
  /** What remarks call the net. */
  readonly name: string;
  /** The head stays as it is: the classes are the net's own, or it has as many without names. */
  readonly keepHead: boolean;
  /** Of what is new in the net. */
  readonly seed: number;
  /** Height and width of the input, or one number for both, where they shall be others than the net's own. */
  readonly inputSize?: InputSize | undefined;
}

/** @throws UserError for fewer than two classes, or a size that is none */
export function tunedStart(
  model: Model,
  classNames: readonly string[],
  { name, keepHead, seed, inputSize: size }: TunedStartOptions,
): TunedStart {
  const remarks: string[] = [];
  let tuned = sized(model, size);
  const { preprocessing } = tuned.metadata;
  remarks.push(
    `${name} keeps its preprocessing: ${preprocessing.size[1]}×${preprocessing.size[0]} pixels${size === undefined ? "" : " (asked for)"}, mean ${preprocessing.mean.join(", ")}, deviation ${preprocessing.std.join(", ")}`,
  );
  if (keepHead) {
    const numbered = classNames.some((className, i) => className !== tuned.metadata.classNames[i]);
    remarks.push(
      `the head stays: ${classNames.length} classes${numbered ? ", which the net has as numbers only; they are taken in order" : " as before"}`,
    );
    const { assumed: _, ...known } = tuned.metadata;
    tuned = { ...tuned, metadata: { ...known, classNames } };
  } else {
    const before = tuned.metadata.classNames.length;
    const { model: headed, kept } = withClasses(tuned, classNames);
    remarks.push(
      `a new head for ${classNames.length} classes in place of ${before}: ${
        kept.length === 0
          ? "none has a name that the net knows, all begin at 0"
          : `${kept.length === classNames.length ? "all" : kept.length} carry names that the net knows (${some(kept)}) and keep their rows${kept.length === classNames.length ? "" : ", the others begin at 0"}`
      }`,
    );
    const { assumed: _, ...known } = headed.metadata;
    tuned = { ...headed, metadata: known };
  }
  tuned = { ...tuned, metadata: { ...tuned.metadata, provenance: startedFrom(tuned) } };
  if (!hasPlainBlocks(tuned)) return { model: tuned, plain: undefined, remarks };
  const all = blockLayouts(tuned.architecture);
  const plain = tuned.form === "plain" ? all.length : all.filter(({ folded }) => folded).length;
  remarks.push(
    `${plain === all.length ? `plain form: its ${plain}` : `${plain} of its`} blocks get branches again (3×3, 1×1, identity, each with BatchNorm) that give the same outputs`,
  );
  return { model: withBranchesAgain(tuned, seed), plain: tuned, remarks };
}

function sized(model: Model, size: InputSize | undefined): Model {
  if (size === undefined) return model;
  const both = typeof size === "number" ? ([size, size] as const) : size;
  if (both.length !== 2 || both.some((side) => !Number.isInteger(side) || side < 1 || side > 4096)) {
    throw new UserError({ expected: "inputSize: whole numbers from 1 to 4096", received: both.join("×") });
  }
  const preprocessing = { ...model.metadata.preprocessing, size: both };
  return { ...model, metadata: { ...model.metadata, preprocessing } };
}

/** Where the weights come from, kept beside what they are trained on next. */
function startedFrom({ metadata: { provenance } }: Model): Readonly<Record<string, string>> {
  const { trainedOn } = provenance;
  return trainedOn === undefined ? provenance : { ...provenance, tunedFrom: trainedOn };
}

function some(names: readonly string[]): string {
  return names.length <= 4 ? names.join(", ") : `${names.slice(0, 4).join(", ")}, …`;
}
