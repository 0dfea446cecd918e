import { UserError } from "../core/errors.js";
import type { NamedArray } from "../core/named-arrays.js";
import { opsetVersion, supportedOpsets } from "../formats/onnx/model.js";
import type { ModelProto } from "../formats/onnx/proto.js";
import { int } from "../graph/attributes.js";
import { node, uniqueName } from "../graph/build.js";
import { checkFile } from "../graph/check-file.js";
import type { OnnxEnvelope } from "../graph/from-onnx.js";
import type { Graph, GraphNode } from "../graph/graph.js";
import { roundTo } from "../graph/precision.js";
import { defaultEnvelope, toOnnx } from "../graph/to-onnx.js";
import { encodeModel, isModelFile } from "../nn/model-file.js";
import { isHalved } from "./half-weights.js";
import type { Net } from "./net.js";
import { onnxMetadata } from "./onnx-facts.js";
import { statedFacts } from "./picture-input.js";
import { factsMetadata } from "./stated-facts.js";

export interface OnnxOptions {
  /** `f16`: kernels and matrices are stored as float16; vectors (biases, BatchNorm) stay float32. Default `f32`. */
  readonly precision?: "f32" | "f16";
  /** Version of ONNX's operators, 7 to 22. Default: the file's own, else 17. */
  readonly opset?: number;
}

/**
 * A net as an ONNX model. A RepVGG has open batch and image sizes, and its metadata holds what our model files say
 * (architecture, class names, preprocessing).
 *
 * With `f16` each float16 weight has a Cast to float32 behind it: inputs, outputs and arithmetic stay float32, the file is
 * half as large, and runtimes unpack the weights when they load it.
 * @throws UserError for an operator set that we do not write, or weights beyond float16.
 */
export function onnxModel(net: Net, { precision, opset }: OnnxOptions = {}): ModelProto {
  const { graph, envelope, model } = net;
  const stored = precision === "f16" ? withHalfWeights(graph) : graph;
  if (envelope) {
    const proto = toOnnx(stored, { ...envelope, metadataProps: propertiesOf(graph, envelope) });
    if (opset === undefined || opset === opsetVersion(proto)) {
      checkFile(stored, opsetVersion(proto));
      return proto;
    }
    throw new UserError({
      expected: `operator set ${opsetVersion(proto)}, which the file has`,
      received: `${opset}`,
      remedy: "leave the option out, or convert the file with onnx.version_converter",
    });
  }
  const { min, max } = supportedOpsets;
  const version = opset ?? 17;
  if (!Number.isInteger(version) || version < min || version > max) {
    throw new UserError({ expected: `an operator set from ${min} to ${max}`, received: `${version}` });
  }
  checkFile(stored, version);
  const metadata = model ? encodeModel(model).metadata : factsMetadata(statedFacts(net));
  return toOnnx(stored, {
    ...defaultEnvelope,
    irVersion: irVersionFor(version),
    opsetImport: [{ domain: "", version }],
    metadataProps: Object.entries(metadata).map(([key, value]) => ({ key, value })),
  });
}

/** A file's metadata. A net of ours whose last BatchNorm was folded is in plain form. */
function propertiesOf({ nodes }: Graph, { metadataProps = [] }: OnnxEnvelope): OnnxEnvelope["metadataProps"] {
  const isFolded = isModelFile(onnxMetadata({ metadataProps })) && !nodes.some(({ op }) => op === "BatchNormalization");
  return metadataProps.map((entry) => (isFolded && entry.key === "form" ? { ...entry, value: "plain" } : entry));
}

/** The oldest IR version that goes with an operator set (ONNX's table of versions), so that old runtimes read the file. */
function irVersionFor(opset: number): number {
  const firstOpsetOfVersion = [9, 10, 11, 12, 15, 19, 21]; // IR version 4, 5, …
  return 3 + firstOpsetOfVersion.filter((first) => opset >= first).length;
}

function withHalfWeights(graph: Graph): Graph {
  const initializers = new Map<string, NamedArray>();
  const casts = new Map<string, GraphNode>();
  const names = new Set(graph.nodes.map(({ name }) => name));
  const values = new Set([...graph.nodes.flatMap(({ outputs }) => outputs), ...graph.initializers.keys()]);
  for (const [name, array] of graph.initializers) {
    if (!isHalved(array)) {
      initializers.set(name, array);
      continue;
    }
    initializers.set(name, roundTo(array, "f16", name));
    const output = uniqueName(`${name}.f32`, values);
    casts.set(name, node("Cast", uniqueName(output, names), [name], [output], { to: int(1) }));
  }
  const nodes = graph.nodes.map((reader) => ({
    ...reader,
    inputs: reader.inputs.map((input) => casts.get(input)?.outputs[0] ?? input),
  }));
  return { ...graph, nodes: [...casts.values(), ...nodes], initializers };
}
