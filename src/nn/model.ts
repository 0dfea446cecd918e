import type { NamedArrays } from "../core/named-arrays.js";
import type { PictureField, Preprocessing } from "../core/preprocessing.js";
import type { Architecture, Form } from "./architecture.js";

/**
 * A net as a value: structure, form and weights. Immutable; training, folding and loading return a new one.
 * `state` has the official PyTorch names and layouts (convolutions OIHW, linear [out, in]), float32.
 */
export interface Model {
  /** Its structure. */
  readonly architecture: Architecture;
  /** With branches, as it is trained, or folded. */
  readonly form: Form;
  /** Weights by their official PyTorch names, float32. */
  readonly state: NamedArrays;
  /** What it takes to classify a picture, and where it comes from. */
  readonly metadata: ModelMetadata;
}

/** What a net's weights do not say. Plain JSON. */
export interface ModelMetadata {
  /** Class names in the order of the logits; length = architecture.classes. */
  readonly classNames: readonly string[];
  /** How a picture becomes the net's input. */
  readonly preprocessing: Preprocessing;
  /** Where the weights come from: seed, data set, command, versions, licence; free text by key. */
  readonly provenance: Readonly<Record<string, string>>;
  /** What of the above nobody said: a file of weights by name did not, and what is usual stands in its place. Absent where all is known. */
  readonly assumed?: readonly AssumedFact[];
}

/** What a file of weights by name may leave unsaid of a net's pictures and classes. */
export type AssumedFact = PictureField | "classNames";
