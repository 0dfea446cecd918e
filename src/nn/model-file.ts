import { FormatError } from "../core/errors.js";
import type { NamedArrays } from "../core/named-arrays.js";
import { isPictureField, type PictureField, type Preprocessing } from "../core/preprocessing.js";
import type { Architecture, Form } from "./architecture.js";
import { checkArchitecture } from "./build-architecture.js";
import { conformState } from "./check-state.js";
import type { AssumedFact, Model } from "./model.js";
import { stateSchema } from "./state-schema.js";

const formatName = "repvgg";
const formatVersion = "1";

/**
 * A model as the arrays and metadata of a safetensors file that is enough to classify a picture: weights by their
 * official names; metadata `format`, `version`, `form`, and as JSON `architecture`, `classNames`, `preprocessing`,
 * `provenance`, and `assumed` where something was.
 */
export function encodeModel(model: Model): { arrays: NamedArrays; metadata: Record<string, string> } {
  const { architecture, form, state, metadata } = model;
  return {
    arrays: state,
    metadata: {
      format: formatName,
      version: formatVersion,
      form,
      architecture: JSON.stringify(architecture),
      classNames: JSON.stringify(metadata.classNames),
      preprocessing: JSON.stringify(metadata.preprocessing),
      provenance: JSON.stringify(metadata.provenance),
      ...(metadata.assumed && { assumed: JSON.stringify(metadata.assumed) }),
    },
  };
}

/** Whether a safetensors file's metadata says that it is one of our model files. */
export function isModelFile(metadata: Readonly<Record<string, string>>): boolean {
  return metadata["format"] === formatName && "architecture" in metadata;
}

/**
 * The model in a file. Everything is checked: the metadata's fields, and every weight's name and shape against the
 * architecture.
 * @param file names the file in messages.
 * @throws FormatError for metadata that is not ours or not whole, UserError for weights that do not fit.
 */
export function decodeModel(arrays: NamedArrays, metadata: Readonly<Record<string, string>>, file: string): Model {
  if (!isModelFile(metadata)) {
    throw new FormatError({
      expected: "a model file of repvgg",
      received: `${file}, a safetensors file without our metadata`,
      remedy: "name a model file that repvgg wrote (of a run: model.safetensors)",
    });
  }
  if (metadata["version"] !== formatVersion) {
    throw new FormatError({
      expected: `model file version ${formatVersion}`,
      received: `version ${metadata["version"]} in ${file}`,
      remedy: "update the package repvgg",
    });
  }
  const form = metadata["form"];
  if (form !== "train" && form !== "plain") {
    throw new FormatError({ expected: 'form "train" or "plain"', received: `${form} in ${file}` });
  }
  const { architecture, ...pictures } = decodeFacts(metadata, file);
  const provenance = field<Record<string, string>>(metadata, "provenance", file, isRecord);
  const state = conformState(arrays, stateSchema(architecture, form as Form));
  return { architecture, form, state, metadata: { ...pictures, provenance } };
}

/** What a model's metadata says of its structure, classes and pictures: ONNX files of ours have it too. */
export interface ModelFacts {
  readonly architecture: Architecture;
  readonly classNames: readonly string[];
  readonly preprocessing: Preprocessing;
  readonly assumed?: readonly AssumedFact[];
}

/** @throws FormatError for metadata that is not whole. */
export function decodeFacts(metadata: Readonly<Record<string, string>>, file: string): ModelFacts {
  const architecture = field<Architecture>(metadata, "architecture", file, isRecord);
  checkArchitecture(architecture);
  const assumed = "assumed" in metadata && field<AssumedFact[]>(metadata, "assumed", file, isAssumed);
  return {
    architecture,
    classNames: field<string[]>(metadata, "classNames", file, isStrings(architecture.classes)),
    preprocessing: field<Preprocessing>(metadata, "preprocessing", file, isPreprocessing(architecture)),
    ...(assumed && assumed.length > 0 && { assumed }),
  };
}

function isAssumed(value: unknown): boolean {
  return Array.isArray(value) && value.every((item) => item === "classNames" || Object.hasOwn(isPictureField, item));
}

function field<T>(
  metadata: Readonly<Record<string, string>>,
  name: string,
  file: string,
  valid: (value: unknown) => boolean,
): T {
  let value: unknown;
  try {
    value = JSON.parse(metadata[name] ?? "");
  } catch {
    value = undefined;
  }
  if (!valid(value)) {
    throw new FormatError({
      expected: `metadata "${name}" of a model file`,
      received: `${metadata[name] === undefined ? "none" : "something else"} in ${file}`,
      remedy: "save the model again",
    });
  }
  return value as T;
}

function isRecord(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isStrings(length: number): (value: unknown) => boolean {
  return (value) => Array.isArray(value) && value.length === length && value.every((item) => typeof item === "string");
}

/** Whether a value is a `Preprocessing` for this net. */
export function isPreprocessing(architecture: Architecture): (value: unknown) => boolean {
  return (value) => {
    if (!isRecord(value)) return false;
    const given = value as Preprocessing;
    const { channels, interpolation } = given;
    const fields = Object.keys(isPictureField) as PictureField[];
    return (
      channels === architecture.inputChannels &&
      interpolation === "bilinear" &&
      fields.every((field) => isPictureField[field](given[field], channels))
    );
  };
}
