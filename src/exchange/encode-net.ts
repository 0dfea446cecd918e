import { UserError } from "../core/errors.js";
import type { NamedArray, NamedArrays } from "../core/named-arrays.js";
import type { ModelProto } from "../formats/onnx/proto.js";
import { encodeGraph } from "../graph/graph-file.js";
import { isQuantized } from "../graph/quantization.js";
import type { Model } from "../nn/model.js";
import { encodeModel } from "../nn/model-file.js";
import { halfWeights } from "./half-weights.js";
import { fromOfficial, type Scheme } from "./names/schemes.js";
import { authorsScheme, type Net, ownScheme, type Rest } from "./net.js";
import { type OnnxOptions, onnxModel } from "./onnx-export.js";
import { statedFacts } from "./picture-input.js";
import { some } from "./sentences.js";
import { sidecarText } from "./sidecar-text.js";
import type { Container } from "./sniff.js";
import { factsMetadata } from "./stated-facts.js";
import { graphEpsilon, weightsMetadata } from "./weights-metadata.js";

/** How a net is written. */
export interface SaveOptions extends OnnxOptions {
  /** Whose names the weights get in .pth and .safetensors. Default: the authors' own. */
  readonly scheme?: Scheme;
}

/** What a file of a container holds. */
export type NetContents =
  | { readonly container: "onnx"; readonly model: ModelProto }
  | { readonly container: "torch"; readonly arrays: NamedArrays; readonly beside: string | undefined }
  | {
      readonly container: "safetensors";
      readonly arrays: NamedArrays;
      readonly metadata: Readonly<Record<string, string>>;
      /** What belongs in a file beside it, which other programs read: see {@link sidecarText}. */
      readonly beside: string | undefined;
    };

/**
 * A net as what a file of it holds.
 *
 * - `safetensors`: a RepVGG under its own names becomes a model file of ours, with all metadata; otherwise weights by name.
 * - `torch`: a state dict that `torch.load(path, weights_only=True)` reads.
 * - `onnx`: see {@link onnxModel}.
 *
 * `precision: "f16"` stores kernels and matrices as float16; vectors (biases, BatchNorm) stay float32.
 * @param name of the file, for errors
 * @throws UserError for a scheme or an operator set that does not fit, or weights beyond float16.
 */
export function netContents(net: Net, container: Container, name: string, options: SaveOptions): NetContents {
  if (container === "onnx") {
    if (net.rest) throw restIntoOnnx(net.rest, name);
    if (options.scheme !== undefined) throw onlyForWeights("scheme", name);
    return { container, model: onnxModel(net, options) };
  }
  if (options.opset !== undefined) throw onlyForOnnx(name);
  if (isQuantized(net.graph)) return quantizedContents(net, container, name);
  const { model } = net;
  const own = model && !net.rest && (options.scheme ?? ownScheme(model)) === ownScheme(model);
  if (container === "safetensors" && own) {
    return {
      container,
      arrays: atPrecision(model.state, options),
      metadata: encodeModel(model).metadata,
      beside: undefined,
    };
  }
  const arrays = weightsByName(net, options);
  if (container === "torch") return { container, arrays, beside: sidecarText(net, arrays) };
  // Without our metadata readers go by the names.
  const beside = options.scheme?.endsWith("timm") ? sidecarText(net, arrays) : undefined;
  return { container, arrays, metadata: weightsMetadata(net), beside };
}

/** A quantized net is its graph: no file of weights by name tells what integers stand for. */
function quantizedContents(net: Net, container: Container, name: string): NetContents {
  if (container !== "safetensors") {
    throw new UserError({ expected: ".onnx or .safetensors for a quantized net", received: name });
  }
  const { arrays, metadata } = encodeGraph(net.graph);
  return { container, arrays, metadata: { ...metadata, ...factsMetadata(statedFacts(net)) }, beside: undefined };
}

/** What a file of a container cannot hold of a net, in sentences for who writes it. */
export function lostInContainer(net: Net, container: Container): string[] {
  if (container === "onnx" || isQuantized(net.graph)) return [];
  const ending = container === "torch" ? ".pth" : ".safetensors";
  const lost: string[] = [];
  if (!net.model && net.source.scheme === undefined) {
    lost.push(`a ${ending} holds the weights alone, not the graph that they belong to: write .onnx to keep it`);
  }
  if (container === "safetensors") return lost;
  const stated = statedFacts(net);
  if (stated.classNames || Object.keys(stated.preprocessing).length > 0) {
    lost.push(
      "a .pth cannot hold class names, preprocessing and strides: they are in the .json beside it, which belongs to it",
    );
  }
  const epsilon = graphEpsilon(net.graph);
  if (epsilon === undefined || net.envelope) return lost;
  const values = [...new Set(Object.values(epsilon))];
  const remedy = values.length === 1 ? `read it with --bn-eps ${values[0]}` : "write .safetensors or .onnx to keep it";
  const what = `a .pth of weights cannot hold BatchNorm's ε (${some(values.map(String))} here)`;
  return [...lost, `${what}: it is in the .json beside it; without that, ${remedy}`];
}

/** A net's weights under the names of a scheme; those of an unknown graph under their own. */
function weightsByName(net: Net, options: SaveOptions): NamedArrays {
  const { scheme } = options;
  if (net.model && !isSelfEvident(net.model)) throw notSelfEvident(net.model);
  const own = net.model ? ownScheme(net.model) : net.source.scheme && authorsScheme(net.source.scheme);
  if (scheme !== undefined && own === undefined) {
    throw new UserError({
      expected: "a RepVGG or MobileOne, for names of a scheme",
      received: "a graph of another kind",
      remedy: "leave the scheme out, or write ONNX",
    });
  }
  const weights = net.model?.state ?? withCounters(net);
  const named = scheme === undefined || scheme === own ? weights : fromOfficial(weights, scheme);
  return atPrecision(net.rest ? withRest(named, net.rest) : named, options);
}

/** The net's weights under the names that they had in their file, and those that were kept beside them. */
function withRest(weights: NamedArrays, { arrays, prefix: { off, on } }: Rest): NamedArrays {
  const named = [...weights].map(([name, array]): [string, NamedArray] => [
    off + (on !== "" && name.startsWith(on) ? name.slice(on.length) : name),
    array,
  ]);
  return new Map([...named, ...arrays]);
}

function restIntoOnnx({ arrays }: Rest, name: string): UserError {
  return new UserError({
    expected: `.pth or .safetensors for weights that are kept as they are (${some([...arrays.keys()])})`,
    received: name,
    remedy: "leave them out with --rest drop (rest)",
  });
}

/** A graph's floating-point constants; behind the variance of each BatchNorm that is still there its counter, as in PyTorch's state. */
function withCounters({ graph, counters }: Net): NamedArrays {
  const weights = new Map<string, NamedArray>();
  for (const [name, array] of graph.initializers) {
    if (!/^b?f/.test(array.dtype)) continue;
    weights.set(name, array);
    const counter = name.replace(/\.running_var$/, ".num_batches_tracked");
    if (counters?.has(counter)) weights.set(counter, counters.get(counter)!);
  }
  return weights;
}

function atPrecision(weights: NamedArrays, { precision }: Pick<SaveOptions, "precision">): NamedArrays {
  return precision === "f16" ? halfWeights(weights) : weights;
}

/** Names and shapes alone say what net it is; those of other blocks are taken for other nets. */
function isSelfEvident({ form, architecture: { block, squeezeExcite, layers } }: Model): boolean {
  if (form === "plain" || block.kind === "repvgg") return true;
  const withoutExceptions = Object.values(layers ?? {}).every(({ identity }) => identity === undefined);
  if (block.kind === "acb" || block.kind === "qarepvgg-v1") return squeezeExcite === null;
  // Identity branches without weights are taken to be wherever shapes allow.
  const bare = block.kind === "qarepvgg" || block.kind === "post-addition-bn";
  return bare && block.identity && withoutExceptions && squeezeExcite === null;
}

function notSelfEvident({ architecture }: Model): UserError {
  return new UserError({
    expected: "RepVGG blocks, for a file of weights by name alone",
    received: `blocks of kind ${architecture.block.kind} in training form`,
    remedy: "fold the net first, or write a model file (.safetensors under its own names) or .onnx",
  });
}

function onlyForWeights(option: string, name: string): UserError {
  return new UserError({ expected: `a ${option} only for .pth and .safetensors`, received: name });
}

function onlyForOnnx(name: string): UserError {
  return new UserError({ expected: "an operator set (opset) only for .onnx", received: name });
}
