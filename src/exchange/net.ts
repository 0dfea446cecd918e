import type { NamedArrays } from "../core/named-arrays.js";
import type { OnnxEnvelope } from "../graph/from-onnx.js";
import type { Graph } from "../graph/graph.js";
import type { Form } from "../nn/architecture.js";
import type { Model } from "../nn/model.js";
import { toGraph } from "../nn/to-graph.js";
import type { Prefix } from "./names/prefixes.js";
import type { Scheme } from "./names/schemes.js";
import { assumedOf, assumptionNotes, type StatedFacts } from "./stated-facts.js";

export type { Graph, GraphNode, ValueInfo } from "../graph/graph.js";

/** Kinds of files that hold nets; `repvgg`: safetensors with our own metadata. */
export type FileFormat = "repvgg" | "safetensors" | "torch" | "onnx";

/** Any net, wherever it came from: as a graph always, as a {@link Model} where it is a RepVGG that we know as such. */
export interface Net {
  /** The net in ONNX's operators; a model's in inference mode. */
  readonly graph: Graph;
  /** Where it is a RepVGG. */
  readonly model?: Model;
  /** What an ONNX file says beside its graph: written back when the net is. */
  readonly envelope?: OnnxEnvelope;
  /** Of a graph out of weights by name: the batches that each BatchNorm has seen (`<path>.num_batches_tracked`), which no node reads. */
  readonly counters?: NamedArrays;
  /** Of a graph that is no {@link Model}: what its file, or who opened it, says of its pictures and classes, beyond ONNX metadata. */
  readonly stated?: StatedFacts;
  /** Weights of the file that the net has no place for, kept to be written back as they are. */
  readonly rest?: Rest;
  /** What the file was, and what had to be decided while reading it. */
  readonly source: NetSource;
}

export interface Rest {
  /** By their names in the file. */
  readonly arrays: NamedArrays;
  /** What stood before the net's own names there, and will again. */
  readonly prefix: Prefix;
}

/** What a file was, and what had to be decided while reading it. */
export interface NetSource {
  /** Kind of the file. */
  readonly format: FileFormat;
  /** Of weights by name: whose names they are. */
  readonly scheme?: Scheme;
  /** With branches or folded, where that is known. */
  readonly form?: Form;
  /** Of a checkpoint: where in it the weights were ("" at its top), and where others are. */
  readonly chosen?: string;
  /** Other places of the checkpoint that hold weights: names for `key`. */
  readonly alternatives?: readonly string[];
  /** Assumptions, conversions and left-over weights, each in one sentence. */
  readonly notes: readonly string[];
}

/** A model of ours as a net. */
export function netOf(model: Model): Net {
  return {
    graph: toGraph(model),
    model,
    source: {
      format: "repvgg",
      scheme: ownScheme(model),
      form: model.form,
      notes: assumptionNotes({ ...model.metadata, assumed: assumedOf(model.metadata) }),
    },
  };
}

/** The authors' own names of the weights of nets of a scheme. */
export function authorsScheme(scheme: Scheme): Scheme {
  if (scheme === "repvggplus") return scheme;
  return scheme.startsWith("mobileone") ? "mobileone" : "official";
}

/** The authors' own names of a model's weights: those of its state. */
export function ownScheme({ architecture }: Model): Scheme {
  return architecture.family === "repvggplus" ? "repvggplus" : "official";
}
