import { asFloat32 } from "../../core/deferred-array.js";
import { UserError } from "../../core/errors.js";
import type { NamedArray, NamedArrays } from "../../core/named-arrays.js";
import { quoted } from "../../formats/array-bytes.js";
import { toOfficial } from "../../formats/names/schemes.js";
import type { Safetensors } from "../../formats/safetensors/read.js";
import { type StateDict, withoutWrapperPrefixes } from "../../formats/torch/state-dict.js";
import type { Model } from "../../nn/model.js";
import { decodeModel, isModelFile } from "../../nn/model-file.js";
import { mobileOneGraph } from "./mobileone-graph.js";
import { type ModelHints, modelFromWeights } from "./model-from-weights.js";
import { type FileFormat, type Net, type NetSource, netOf } from "./net.js";
import { some } from "./sentences.js";
import type { Container } from "./sniff.js";

export interface LoadOptions extends ModelHints {
  /** Of a checkpoint with several sets of weights: which one, as `source.alternatives` names it (`ema`). */
  readonly key?: string;
}

/** @throws UserError where a key is asked for of a file that has none. */
export function checkKey(container: Container, name: string, { key }: LoadOptions): void {
  if (container === "torch" || key === undefined) return;
  throw new UserError({ expected: "a key only of a PyTorch checkpoint", received: `one of ${name}` });
}

/**
 * The net in a safetensors file: a model file of ours, or weights by name.
 * @throws UserError for weights of another net, FormatError for a damaged file.
 */
export function safetensorsNet(name: string, { arrays, metadata }: Safetensors, options: LoadOptions): Net {
  if (isModelFile(metadata)) return netOf(decodeModel(arrays, metadata, name));
  const { arrays: bare, prefixes } = withoutWrapperPrefixes(arrays);
  return fromWeights(name, bare, options, { format: "safetensors", notes: prefixNotes(prefixes) });
}

/** The net in a PyTorch checkpoint. @throws UserError for weights of another net. */
export function torchNet(name: string, dict: StateDict, hints: ModelHints): Net {
  const notes = prefixNotes(dict.prefixes);
  if (dict.chosen !== "") notes.push(`weights taken from ${quoted(dict.chosen)}`);
  if (dict.alternatives.length > 0) notes.push(`other weights are in ${some(dict.alternatives.map(quoted))}`);
  return fromWeights(name, dict.arrays, hints, {
    format: "torch",
    chosen: dict.chosen,
    alternatives: dict.alternatives,
    notes,
  });
}

function prefixNotes(prefixes: readonly string[]): string[] {
  return prefixes.length > 0 ? [`took ${prefixes.map(quoted).join(" and ")} off every name`] : [];
}

function fromWeights(
  name: string,
  weights: NamedArrays,
  hints: ModelHints,
  found: NetSource & { readonly format: FileFormat },
): Net {
  return inFile(name, () => {
    const { scheme, arrays, unmatched } = recognized(weights);
    const notes = [...found.notes];
    if (unmatched.length > 0) notes.push(`left out ${some(unmatched)}: no names of the scheme ${scheme}`);
    if (scheme === "mobileone" || scheme === "mobileone-timm") {
      const { graph, form, counters, leftOver } = mobileOneGraph(widened(arrays));
      if (leftOver.length > 0) notes.push(`left out ${some(leftOver)}: the net has no place for them`);
      return { graph, counters, source: { ...found, scheme, form, notes } };
    }
    const { model, notes: assumptions } = modelFromWeights(arrays, hints);
    const { graph } = netOf(model);
    return { graph, model, source: { ...found, scheme, form: model.form, notes: [...notes, ...assumptions] } };
  });
}

/** Runs what judges a file's weights; its errors name the file. */
function inFile<T>(name: string, judge: () => T): T {
  try {
    return judge();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const { expected, received, remedy } = error;
    const parts = { expected, received: `${received} in ${name}`, ...(remedy === undefined ? {} : { remedy }) };
    throw new UserError(parts, { cause: error });
  }
}

/** @throws UserError unless most of the names belong to a net that we know. */
function recognized(weights: NamedArrays): ReturnType<typeof toOfficial> {
  const official = toOfficial(weights);
  if (official.arrays.size > official.unmatched.length) return official;
  throw new UserError({
    expected: "weight names of RepVGG (official, timm, mmpretrain), RepVGGplus or MobileOne",
    received: some(official.unmatched.map(quoted)),
    remedy: "for another net, export it to ONNX and fold that",
  });
}

function widened(arrays: NamedArrays): NamedArrays {
  return new Map(
    [...arrays].map(([name, array]): [string, NamedArray] =>
      array.dtype === "f16" || array.dtype === "bf16" ? [name, asFloat32(array)] : [name, array],
    ),
  );
}

/** The net as a RepVGG. @throws UserError where it is another one. */
export function modelOf({ model, source }: Net, name: string): Model {
  if (model) return model;
  throw new UserError({
    expected: "a RepVGG with its weights by name",
    received: `${name}, ${source.format === "onnx" ? "an ONNX graph" : "a MobileOne"}`,
    remedy: "nets of this kind can be folded, verified and exported, but neither trained nor asked for classes",
  });
}
