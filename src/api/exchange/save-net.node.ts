import { UserError } from "../../core/errors.js";
import type { NamedArray, NamedArrays } from "../../core/named-arrays.js";
import { fromOfficial, type Scheme } from "../../formats/names/schemes.js";
import { writeOnnxFile } from "../../formats/onnx/file.node.js";
import { writeSafetensorsFile } from "../../formats/safetensors/file.node.js";
import { writeTorchFile } from "../../formats/torch/file.node.js";
import type { Model } from "../../nn/model.js";
import { encodeModel } from "../../nn/model-file.js";
import { halfWeights } from "./half-weights.js";
import { type Net, ownScheme } from "./net.js";
import { type OnnxOptions, onnxModel } from "./onnx-export.js";
import type { Container } from "./sniff.node.js";

export interface SaveOptions extends OnnxOptions {
  /** Whose names the weights get in .pth and .safetensors. Default: the authors' own. */
  readonly scheme?: Scheme;
}

const endings: Readonly<Record<string, Container>> = {
  ".safetensors": "safetensors",
  ".pth": "torch",
  ".pt": "torch",
  ".onnx": "onnx",
};

/** What a path's ending asks for. @throws UserError for another ending: checked before long work. */
export function outputFormat(path: string): Container {
  const ending = Object.keys(endings).find((candidate) => path.toLowerCase().endsWith(candidate));
  if (ending) return endings[ending]!;
  throw new UserError({ expected: `a file name that ends in ${Object.keys(endings).join(", ")}`, received: path });
}

/**
 * Writes a net in the format of the path's ending, whole or not at all.
 *
 * - `.safetensors`: a RepVGG under its own names becomes a model file of ours, with all metadata; otherwise weights by name.
 * - `.pth`, `.pt`: a state dict that `torch.load(path, weights_only=True)` reads.
 * - `.onnx`: see {@link onnxModel}.
 *
 * `precision: "f16"` stores kernels and matrices as float16; vectors (biases, BatchNorm) stay float32.
 * @throws UserError for an ending, a scheme or an operator set that does not fit, or weights beyond float16.
 */
export async function saveNet(net: Net, path: string, options: SaveOptions = {}): Promise<void> {
  switch (outputFormat(path)) {
    case "onnx":
      if (options.scheme !== undefined) throw onlyForWeights("scheme", path);
      return writeOnnxFile(path, onnxModel(net, options));
    case "torch":
      if (options.opset !== undefined) throw onlyForOnnx(path);
      return writeTorchFile(path, weightsByName(net, options));
    case "safetensors": {
      if (options.opset !== undefined) throw onlyForOnnx(path);
      const { model } = net;
      const ours = model !== undefined && (options.scheme ?? ownScheme(model)) === ownScheme(model);
      // Without our metadata readers go by the names; "pt" is what Hugging Face's loaders look for.
      const metadata = ours ? encodeModel(model).metadata : { format: "pt" };
      return writeSafetensorsFile(
        path,
        ours ? atPrecision(model.state, options) : weightsByName(net, options),
        metadata,
      );
    }
  }
}

/** A net's weights under the names of a scheme; those of an unknown graph under their own. */
function weightsByName(net: Net, options: SaveOptions): NamedArrays {
  const { scheme } = options;
  if (net.model && !isSelfEvident(net.model)) throw notSelfEvident(net.model);
  const own = net.model ? ownScheme(net.model) : net.source.scheme && "mobileone";
  if (scheme !== undefined && own === undefined) {
    throw new UserError({
      expected: "a RepVGG or MobileOne, for names of a scheme",
      received: "a graph of another kind",
      remedy: "leave the scheme out, or write ONNX",
    });
  }
  const floating = (array: NamedArray): boolean => /^b?f/.test(array.dtype);
  const weights = net.model?.state ?? new Map([...net.graph.initializers].filter(([, array]) => floating(array)));
  const named = scheme === undefined || scheme === own ? weights : fromOfficial(weights, scheme);
  return atPrecision(named, options);
}

function atPrecision(weights: NamedArrays, { precision }: Pick<SaveOptions, "precision">): NamedArrays {
  return precision === "f16" ? halfWeights(weights) : weights;
}

/** Names and shapes alone say what net it is: those of other blocks than RepVGG's are taken for other nets. */
function isSelfEvident({ form, architecture }: Model): boolean {
  return form === "plain" || architecture.block.kind === "repvgg";
}

function notSelfEvident({ architecture }: Model): UserError {
  return new UserError({
    expected: "RepVGG blocks, for a file of weights by name alone",
    received: `blocks of kind ${architecture.block.kind} in training form`,
    remedy: "fold the net first, or write a model file (.safetensors under its own names) or .onnx",
  });
}

function onlyForWeights(option: string, path: string): UserError {
  return new UserError({ expected: `a ${option} only for .pth and .safetensors`, received: path });
}

function onlyForOnnx(path: string): UserError {
  return new UserError({ expected: "an operator set (opset) only for .onnx", received: path });
}
