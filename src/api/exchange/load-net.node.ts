import { asFloat32 } from "../../core/deferred-array.js";
import { UserError } from "../../core/errors.js";
import type { NamedArray, NamedArrays } from "../../core/named-arrays.js";
import { quoted } from "../../formats/array-bytes.js";
import type { ByteSource } from "../../formats/byte-source.js";
import { withContext } from "../../formats/error-context.js";
import { FileSource } from "../../formats/file-source.node.js";
import { toOfficial } from "../../formats/names/schemes.js";
import { readOnnxFile } from "../../formats/onnx/file.node.js";
import { opsetVersion } from "../../formats/onnx/model.js";
import { readSafetensorsFile } from "../../formats/safetensors/file.node.js";
import { readTorchFile } from "../../formats/torch/file.node.js";
import { withoutWrapperPrefixes } from "../../formats/torch/state-dict.js";
import { fromOnnx } from "../../graph/from-onnx.js";
import { decodeModel, isModelFile } from "../../nn/model-file.js";
import { mobileOneGraph } from "./mobileone-graph.js";
import { type ModelHints, modelFromWeights } from "./model-from-weights.js";
import { type FileFormat, type Net, type NetSource, netOf } from "./net.js";
import { some } from "./sentences.js";
import { type Container, sniffFile } from "./sniff.node.js";

export interface LoadOptions extends ModelHints {
  /** Of a checkpoint with several sets of weights: which one, as `source.alternatives` names it (`ema`). */
  readonly key?: string;
}

/**
 * Reads any file that holds a net: our model files, PyTorch checkpoints (`.pth`, `.pt`), safetensors and ONNX, recognised by
 * content. Weights by name become a {@link Model} (RepVGG, RepVGGplus in the names of their authors, timm or mmpretrain) or a
 * graph (MobileOne in Apple's or timm's); structure and form are read off names and shapes.
 * @throws UserError for a file of another kind or weights of another net, FormatError for a damaged file.
 */
export async function loadNet(path: string, options: LoadOptions = {}): Promise<Net> {
  return readNet(path, await sniff(path, options), options);
}

/**
 * Works on a net whose weights stay in their file and are read when they are asked for, each time anew: for what takes every
 * weight once. ONNX files are read into memory as by {@link loadNet}.
 * @param work must not keep the net: afterwards the file is closed.
 * @throws UserError also when the file is changed during the work.
 */
export async function withNet<R>(path: string, options: LoadOptions, work: (net: Net) => Promise<R>): Promise<R> {
  const container = await sniff(path, options);
  if (container === "onnx") return work(await loadOnnx(path));
  const source = FileSource.open(path);
  try {
    return await work(await readNet(path, container, options, source));
  } finally {
    source.close();
  }
}

async function sniff(path: string, { key }: LoadOptions): Promise<Container> {
  const container = await sniffFile(path);
  if (container === "torch" || key === undefined) return container;
  throw new UserError({ expected: "a key only of a PyTorch checkpoint", received: `one of ${path}` });
}

function readNet(path: string, container: Container, options: LoadOptions, source?: ByteSource): Promise<Net> {
  switch (container) {
    case "onnx":
      return loadOnnx(path);
    case "safetensors":
      return loadSafetensors(path, options, source);
    case "torch":
      return loadTorch(path, options, source);
  }
}

async function loadOnnx(path: string): Promise<Net> {
  const proto = await readOnnxFile(path);
  const { graph, envelope } = withContext(`in ${path}`, () => fromOnnx(proto));
  const producer = [proto.producerName, proto.producerVersion].filter(Boolean).join(" ");
  const notes = [`ONNX operator set ${opsetVersion(proto)}${producer ? `, written by ${producer}` : ""}`];
  return { graph, envelope, source: { format: "onnx", notes } };
}

async function loadSafetensors(path: string, options: LoadOptions, source?: ByteSource): Promise<Net> {
  const { arrays, metadata } = await readSafetensorsFile(path, source);
  if (isModelFile(metadata)) return netOf(decodeModel(arrays, metadata, path));
  const { arrays: bare, prefixes } = withoutWrapperPrefixes(arrays);
  return fromWeights(path, bare, options, { format: "safetensors", notes: prefixNotes(prefixes) });
}

async function loadTorch(path: string, { key, ...hints }: LoadOptions, source?: ByteSource): Promise<Net> {
  const dict = await readTorchFile(path, key === undefined ? {} : { path: key }, source);
  const notes = prefixNotes(dict.prefixes);
  if (dict.chosen !== "") notes.push(`weights taken from ${quoted(dict.chosen)}`);
  if (dict.alternatives.length > 0) notes.push(`other weights are in ${some(dict.alternatives.map(quoted))}`);
  return fromWeights(path, dict.arrays, hints, {
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
  path: string,
  weights: NamedArrays,
  hints: ModelHints,
  found: NetSource & { readonly format: FileFormat },
): Net {
  return inFile(path, () => {
    const { scheme, arrays, unmatched } = recognized(weights);
    const notes = [...found.notes];
    if (unmatched.length > 0) notes.push(`left out ${some(unmatched)}: no names of the scheme ${scheme}`);
    if (scheme === "mobileone" || scheme === "mobileone-timm") {
      const { graph, form, leftOver } = mobileOneGraph(widened(arrays));
      if (leftOver.length > 0) notes.push(`left out ${some(leftOver)}: the net has no place for them`);
      return { graph, source: { ...found, scheme, form, notes } };
    }
    const { model, notes: assumptions } = modelFromWeights(arrays, hints);
    const { graph } = netOf(model);
    return { graph, model, source: { ...found, scheme, form: model.form, notes: [...notes, ...assumptions] } };
  });
}

/** Runs what judges a file's weights; its errors name the file. */
function inFile<T>(path: string, judge: () => T): T {
  try {
    return judge();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const { expected, received, remedy } = error;
    const parts = { expected, received: `${received} in ${path}`, ...(remedy === undefined ? {} : { remedy }) };
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
