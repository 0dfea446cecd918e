import { UserError } from "../core/errors.js";
import {
  isPictureField,
  type PartialPreprocessing,
  type PictureField,
  type Preprocessing,
  usualPreprocessing,
} from "../core/preprocessing.js";
import type { AssumedFact, Model, ModelMetadata } from "../nn/model.js";

/** What somebody says of a net's pictures and classes: a file, one beside it, or who asks. Fields that nobody states are absent. */
export interface StatedFacts {
  readonly preprocessing: PartialPreprocessing;
  /** In the order of the outputs. */
  readonly classNames?: readonly string[];
}

/** All that is needed to ask a net for classes. */
export interface PictureFacts {
  readonly preprocessing: Preprocessing;
  readonly classNames: readonly string[];
  /** What of it nobody said. */
  readonly assumed: readonly AssumedFact[];
}

export const nothingStated: StatedFacts = { preprocessing: {} };

/** What the first says, and where it is silent the next. */
export function firstStated(...facts: readonly (StatedFacts | undefined)[]): StatedFacts {
  const classNames = facts.find((stated) => stated?.classNames)?.classNames;
  const preprocessing = Object.assign({}, ...facts.map((stated) => stated?.preprocessing ?? {}).reverse());
  return { preprocessing, ...(classNames && { classNames }) };
}

/** What of a model's metadata was assumed and is still what is usual: somebody may have put in what he knows. */
export function assumedOf({ preprocessing, classNames, assumed = [] }: ModelMetadata): readonly AssumedFact[] {
  const usual = usualPreprocessing(preprocessing.channels, preprocessing.size);
  return assumed.filter((field) =>
    field === "classNames"
      ? classNames.every((name, i) => name === String(i))
      : String(preprocessing[field]) === String(usual[field]),
  );
}

/** What is known of a model's pictures and classes without what was assumed. */
export function modelFactsStated({ metadata }: Pick<Model, "metadata">): StatedFacts {
  const { preprocessing, classNames } = metadata;
  const assumed = assumedOf(metadata);
  const fields = pictureFields.filter((field) => !assumed.includes(field));
  return {
    preprocessing: Object.fromEntries(fields.map((field) => [field, preprocessing[field]])),
    ...(!assumed.includes("classNames") && { classNames }),
  };
}

/** The fields that a file may state, in the order in which they are told. */
export const pictureFields = Object.keys(isPictureField) as readonly PictureField[];

/**
 * What is stated, made whole by what is usual.
 * @param usual how pictures are prepared where nobody says
 * @param classes of the net, where it has some; names of another number are not its own
 * @returns with a note where what is stated does not fit the net
 */
export function completed(
  stated: StatedFacts,
  usual: Preprocessing,
  classes: number | undefined,
): PictureFacts & { readonly notes: readonly string[] } {
  const fitting = pictureFields.filter(
    (field) =>
      stated.preprocessing[field] !== undefined && isPictureField[field](stated.preprocessing[field], usual.channels),
  );
  const notes = pictureFields
    .filter((field) => stated.preprocessing[field] !== undefined && !fitting.includes(field))
    .map(
      (field) =>
        `the file says ${words[field]} ${JSON.stringify(stated.preprocessing[field])}, which is none for ${usual.channels} channels: not used`,
    );
  const named = stated.classNames?.length === classes ? stated.classNames : undefined;
  if (stated.classNames && !named && classes !== undefined) {
    notes.push(`the file names ${stated.classNames.length} classes, the net has ${classes}: the names are not used`);
  }
  const given = Object.fromEntries(
    fitting.map((field) => [field, stated.preprocessing[field]]),
  ) as PartialPreprocessing;
  return {
    preprocessing: { ...usual, ...given },
    classNames: named ?? numbered(classes ?? 0),
    assumed: [
      ...pictureFields.filter((field) => !fitting.includes(field)),
      ...(named || classes === undefined ? [] : (["classNames"] as const)),
    ],
    notes,
  };
}

/**
 * Checks what somebody asks for.
 * @param classes of the net, where it has some
 * @throws UserError for what cannot be of a net of these channels and classes
 */
export function checkFacts({ preprocessing, classNames }: StatedFacts, channels: number, classes?: number): void {
  const wrong = pictureFields.find((field) => {
    const value = preprocessing[field];
    return value !== undefined && !isPictureField[field](value, channels);
  });
  if (wrong) {
    throw new UserError({
      expected: `preprocessing for ${channels} channels: sizes from 1 to 16384, mean and std one a channel, a crop ratio in (0, 1]`,
      received: JSON.stringify({ [wrong]: preprocessing[wrong] }),
    });
  }
  if (!classNames || classes === undefined || classNames.length === classes) return;
  throw new UserError({
    expected: `names for the net's ${classes} classes`,
    received: `${classNames.length}`,
    remedy: "name every class, in the order of the net's outputs",
  });
}

/** "0", "1", …: the names of classes that have none. */
export function numbered(classes: number): string[] {
  return Array.from({ length: classes }, (_, i) => String(i));
}

const words: Readonly<Record<PictureField, string>> = { size: "size", mean: "mean", std: "std", cropRatio: "crop" };

/** What was assumed, in one sentence; none where all is known. */
export function assumptionNotes({
  preprocessing,
  classNames,
  assumed,
}: Omit<PictureFacts, "assumed"> & Partial<PictureFacts>): string[] {
  if (!assumed || assumed.length === 0) return [];
  const parts = pictureFields
    .filter((field) => assumed.includes(field))
    .map((field) => {
      const value = preprocessing[field];
      if (field === "size") return (value as Preprocessing["size"]).join("×");
      return `${words[field]} ${Array.isArray(value) ? value.join(", ") : value}`;
    });
  const classes = classNames.length > 1 ? `classes 0…${classNames.length - 1}` : "class 0";
  const all = [...parts, ...(assumed.includes("classNames") ? [classes] : [])].join(", ");
  const unsaid = parts.length > 0 ? "how pictures are prepared" : "what its classes are called";
  return [`the file does not say ${unsaid}: assumed ${all}`];
}

/**
 * Facts as the metadata of a safetensors or ONNX file: `classNames` and `preprocessing` as JSON, the keys of our model files; what is
 * not known is left out.
 */
export function factsMetadata({ preprocessing, classNames }: StatedFacts): Record<string, string> {
  const some = Object.keys(preprocessing).length > 0;
  return {
    ...(classNames && { classNames: JSON.stringify(classNames) }),
    ...(some && { preprocessing: JSON.stringify(preprocessing) }),
  };
}

/** Facts out of metadata that {@link factsMetadata} or a model file has: nothing of it is trusted, what is none is left out. */
export function factsInMetadata(metadata: Readonly<Record<string, string>>): StatedFacts {
  const names = json(metadata["classNames"]);
  const stated = json(metadata["preprocessing"]);
  const assumed = json(metadata["assumed"]);
  const unsure = (field: string): boolean => Array.isArray(assumed) && assumed.includes(field);
  const isRecord = typeof stated === "object" && stated !== null;
  const record = (isRecord ? stated : {}) as Readonly<Record<string, unknown>>;
  const fields = pictureFields.filter((field) => {
    const channels = Array.isArray(record[field]) ? record[field].length : 1;
    return !unsure(field) && isPictureField[field](record[field], field === "size" ? 1 : channels);
  });
  return {
    preprocessing: Object.fromEntries(fields.map((field) => [field, record[field]])),
    ...(isNames(names) && !unsure("classNames") && { classNames: names }),
  };
}

/** Whether a value can be names of classes. */
export function isNames(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.length > 0 && value.every((name) => typeof name === "string");
}

function json(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? "null");
  } catch {
    return null; // another program's text
  }
}
