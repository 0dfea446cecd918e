import { asFloat32 } from "../core/deferred-array.js";
import { UserError } from "../core/errors.js";
import { f32, type NamedArray, type NamedArrays } from "../core/named-arrays.js";
import { quoted } from "../formats/array-bytes.js";
import type { Safetensors } from "../formats/safetensors/read.js";
import { type StateDict, withoutWrapperPrefixes } from "../formats/torch/state-dict.js";
import type { TorchModule } from "../formats/torch/torch-module.js";
import { decodeGraph, isGraphFile } from "../graph/graph-file.js";
import type { Model } from "../nn/model.js";
import { decodeModel, isModelFile } from "../nn/model-file.js";
import { chooseEpsilon } from "./epsilon.js";
import { judgeLeftOver, type RestPolicy } from "./left-over.js";
import { mobileOneGraph } from "./mobileone-graph.js";
import { hintedFacts, type ModelHints, modelFromWeights, type WeightsContext } from "./model-from-weights.js";
import { type BlockPlace, checkNetModules, moduleStride, netModules } from "./module-settings.js";
import { familyOf } from "./names/families.js";
import { type OfficialNames, toOfficial } from "./names/schemes.js";
import { type FileFormat, type Net, type NetSource, netOf } from "./net.js";
import { describePlaceholders } from "./placeholders.js";
import { some } from "./sentences.js";
import type { Beside, NetBeside } from "./sidecar.js";
import type { Container } from "./sniff.js";
import { factsInMetadata, firstStated } from "./stated-facts.js";
import { hiddenInMetadata, provenanceIn } from "./weights-metadata.js";
import { withHints } from "./with-facts.js";

export interface LoadOptions extends ModelHints {
  /** Of a checkpoint with several sets of weights: which one, as `source.alternatives` names it (`ema`). */
  readonly key?: string;
  /** ε of every BatchNorm of weights by name, which do not hold it. Default: what pickled modules say, else 1e-5. */
  readonly batchNormEpsilon?: number;
  /** Who says so, for the note. Default: "as asked for". */
  readonly epsilonBy?: string;
  /**
   * What happens to weights that the net has no place for and that are no counters: `refuse` (default) is an error, `keep` writes
   * them back as they are into `.pth` and `.safetensors`, `drop` leaves them out.
   */
  readonly rest?: RestPolicy;
}

/** {@link LoadOptions}, and what lies beside the file. */
export interface ReadOptions extends LoadOptions {
  readonly beside?: Beside | undefined;
}

/** @throws UserError where a key is asked for of a file that has none. */
export function checkKey(container: Container, name: string, { key }: LoadOptions): void {
  if (container !== "onnx" || key === undefined) return;
  throw new UserError({ expected: "a key only of a PyTorch checkpoint or safetensors", received: `one of ${name}` });
}

/** The net with what is asked for where its file does not say it, and a remark where an option was given that the file leaves no room for. */
export function withUnusedOptions(from: Net, options: LoadOptions): Net {
  const { batchNormEpsilon } = options;
  const net = withHints(from, hintedFacts(options));
  const { format, notes } = net.source;
  if (batchNormEpsilon === undefined || (format !== "onnx" && format !== "repvgg")) return net;
  const note = "the file itself says BatchNorm's ε: the one that is asked for is not used";
  return { ...net, source: { ...net.source, notes: [...notes, note] } };
}

/**
 * The net in a safetensors file: a model file of ours, or weights by name.
 * @throws UserError for weights of another net, FormatError for a damaged file.
 */
export function safetensorsNet(name: string, { arrays, metadata }: Safetensors, options: ReadOptions): Net {
  if (isModelFile(metadata)) return withUnusedOptions(netOf(decodeModel(arrays, metadata, name)), options);
  if (isGraphFile(metadata)) {
    const graph = decodeGraph(arrays, metadata, name);
    const source: NetSource = { format: "repvgg", notes: ["a whole graph, quantized"] };
    return withUnusedOptions({ graph, stated: factsInMetadata(metadata), source }, options);
  }
  const { arrays: bare, prefixes } = withoutWrapperPrefixes(
    options.key === undefined ? arrays : below(arrays, options.key),
  );
  const notes = prefixNotes(prefixes);
  return fromWeights(name, bare, options, { format: "safetensors", notes }, new Map(), metadata);
}

function below(arrays: NamedArrays, key: string): NamedArrays {
  const start = key.endsWith(".") ? key : `${key}.`;
  const found = [...arrays].filter(([name]) => name.startsWith(start));
  if (found.length > 0) return new Map(found.map(([name, array]) => [name.slice(start.length), array]));
  const first = [...arrays.keys()].slice(0, 3).map(quoted).join(", ");
  throw new UserError({ expected: `weights whose names begin with ${quoted(start)}`, received: first || "no weights" });
}

/** The net in a PyTorch checkpoint. @throws UserError for weights of another net. */
export function torchNet(name: string, dict: StateDict, hints: ReadOptions): Net {
  const notes = prefixNotes(dict.prefixes);
  if (dict.chosen !== "") notes.push(`weights taken from ${quoted(dict.chosen)}`);
  if (dict.alternatives.length > 0) notes.push(`other weights are in ${some(dict.alternatives.map(quoted))}`);
  const { chosen, alternatives } = dict;
  return fromWeights(name, dict.arrays, hints, { format: "torch", chosen, alternatives, notes }, dict.modules);
}

function prefixNotes(prefixes: readonly string[]): string[] {
  return prefixes.length > 0 ? [`took ${prefixes.map(quoted).join(" and ")} off every name`] : [];
}

function fromWeights(
  name: string,
  weights: NamedArrays,
  hints: ReadOptions,
  found: NetSource & { readonly format: FileFormat },
  modules: ReadonlyMap<string, TorchModule>,
  metadata: Readonly<Record<string, string>> = {},
): Net {
  return inFile(name, () => {
    const official = recognized(weights);
    const { scheme, origins, prefix } = official;
    const notes = [...found.notes, ...namingNotes(official, found)];
    const arrays = withAffine(official.arrays, notes);
    const own = netModules(modules, origins);
    const hidden = {
      ...hints.beside?.({ name: undefined, classes: arrays.get("linear.weight")?.shape[0] }).hidden,
      ...hiddenInMetadata(metadata),
    };
    const said = (net: NetBeside): ReturnType<Beside> => {
      const beside = hints.beside?.(net);
      const facts = firstStated(factsInMetadata(metadata), beside?.facts, hintedFacts(hints));
      return { facts, hidden, notes: beside?.notes ?? [] };
    };
    const context: WeightsContext = {
      ...{ said, strides: hidden.strides, provenance: provenanceIn(metadata) },
      modules: own,
      unmatched: official.unmatched.map((left) => (left.startsWith(prefix.off) ? left.slice(prefix.off.length) : left)),
      epsilon: (paths) =>
        chooseEpsilon(paths, {
          ...{
            asked: hints.batchNormEpsilon,
            by: hints.epsilonBy,
            stated: hidden.batchNormEpsilon,
            names: weights.keys(),
          },
          moduleAt: (path) => own.of(`${path}.running_var`),
        }),
    };
    const read = scheme.startsWith("mobileone")
      ? mobileOne(arrays, hints, context)
      : modelFromWeights(arrays, hints, context);
    const leftOver = [...official.unmatched, ...read.leftOver.map((left) => origins.get(left)!)];
    const isInside = (left: string): boolean => {
      const block = blockOf(left.slice(prefix.off.length));
      return left.startsWith(prefix.off) && block;
    };
    const judged = judgeLeftOver(leftOver, weights, hints.rest ?? "refuse", isInside);
    const { graph, model, form, counters } = read;
    const alternatives = [...(found.alternatives ?? []), ...official.copies];
    const source: NetSource = {
      ...{ ...found, scheme, form, notes: [...notes, ...read.notes, ...judged.notes] },
      ...(alternatives.length > 0 && { alternatives }),
    };
    return {
      ...{
        graph,
        source,
        ...(model ? { model } : { counters, stated: said({ name: undefined, classes: undefined }).facts }),
      },
      ...(judged.rest && { rest: { arrays: judged.rest, prefix } }),
    };
  });
}

function namingNotes({ prefix: { off }, origins, copies }: OfficialNames, { chosen }: NetSource): string[] {
  const notes: string[] = [];
  const names = [...origins.values()].filter((name) => off !== "" && name.startsWith(off)).length;
  if (names > 0)
    notes.push(`took ${quoted(off)} off ${names === origins.size ? "the net's" : `${names} of the net's`} names`);
  if (copies.length > 0) {
    const where = copies.map((copy) => quoted(chosen ? `${chosen}.${copy}` : copy));
    notes.push(`other weights of the same net are under ${some(where)}`);
  }
  return notes;
}

/** Whether a name, without the prefix of its net, belongs to a block, in any scheme. */
function blockOf(name: string): boolean {
  return /^(backbone\.)?(stage0|stem|stages?_?\d+\.\d+|stage\d+(_first|_second)?\.blocks\.\d+)\./.test(name);
}

/** BatchNorms without γ and β (affine=False) save neither: they are 1 and 0. */
function withAffine(weights: NamedArrays, notes: string[]): NamedArrays {
  const bare = [...weights].filter(([name]) => {
    const path = /^(.*)\.running_mean$/.exec(name)?.[1];
    return path !== undefined && !weights.has(`${path}.weight`) && !weights.has(`${path}.bias`);
  });
  if (bare.length === 0) return weights;
  const whole = new Map(weights);
  for (const [name, { shape }] of bare) {
    const path = name.slice(0, -".running_mean".length);
    const ones = f32(shape);
    ones.data.fill(1 as never);
    whole.set(`${path}.weight`, ones).set(`${path}.bias`, f32(shape));
  }
  notes.push(`${bare.length} BatchNorms have neither γ nor β (affine=False): taken as 1 and 0`);
  return whole;
}

function mobileOne(
  weights: NamedArrays,
  { strides: asked }: LoadOptions,
  { modules, epsilon, unmatched, strides: fromFile }: WeightsContext,
): ReturnType<typeof modelFromWeights> {
  const norms = [...weights.keys()].filter((name) => name.endsWith(".running_var"));
  const chosen = epsilon(norms.map((name) => name.slice(0, -".running_var".length)));
  const stated = chosen?.epsilon;
  const widened = new Map(
    [...weights].map(([name, array]): [string, NamedArray] =>
      array.dtype === "f16" || array.dtype === "bf16" ? [name, asFloat32(array)] : [name, array],
    ),
  );
  checkNetModules(modules, blockPlaces(weights));
  const { placeholders, ...read } = mobileOneGraph(widened, {
    ...(stated !== undefined && { batchNormEpsilon: stated }),
    stride: (name, kernel) => moduleStride(modules, name, kernel),
    ...{ unmatched, strides: asked ?? fromFile },
  });
  const notes = [...(chosen ? [chosen.note] : []), ...read.notes];
  if (placeholders.length > 0) notes.push(describePlaceholders(read.graph, weights, placeholders));
  return { ...read, model: undefined, notes };
}

/** The blocks of a MobileOne, each with the first of its weights. */
function blockPlaces(weights: NamedArrays): BlockPlace[] {
  const places = new Map<string, BlockPlace>();
  for (const weight of weights.keys()) {
    const path = /^(stage0|stage\d+\.\d+)\./.exec(weight)?.[1];
    if (path !== undefined && !places.has(path)) places.set(path, { path, weight });
  }
  return [...places.values()].sort((a, b) => Number(b.path === "stage0") - Number(a.path === "stage0"));
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

/** @throws UserError unless the names are those of a net that we know, from its first block on. */
function recognized(weights: NamedArrays): OfficialNames {
  const official = toOfficial(weights);
  const names = [...official.arrays.keys()];
  if (names.some((name) => name.startsWith("stage0.")) && names.some((name) => name.startsWith("stage1.")))
    return official;
  throw new UserError({
    expected: "weight names of RepVGG (official, timm, mmpretrain), RepVGGplus or MobileOne",
    received: `${some(official.unmatched.map(quoted)) || some(names.map(quoted))}${familyOf(weights.keys())}`,
    remedy: "for another net, export it to ONNX and fold that",
  });
}

/** The net as a RepVGG. @throws UserError where it is another one. */
export function modelOf({ model, source }: Net, name: string): Model {
  if (model) return model;
  const what =
    source.format === "onnx"
      ? "an ONNX graph"
      : source.scheme?.startsWith("mobileone")
        ? "a MobileOne"
        : "a net without classes";
  throw new UserError({
    expected: "a RepVGG with its weights by name",
    received: `${name}, ${what}`,
    remedy: "nets of this kind can be folded, verified and exported, but neither trained nor asked for classes",
  });
}
