import type { NamedArrays } from "../core/named-arrays.js";
import type { Preprocessing } from "../core/preprocessing.js";
import type { Architecture, Form } from "./architecture.js";

/**
 * A net as a value: structure, form and weights. Immutable; training, folding and loading return a new one.
 * `state` has the official PyTorch names and layouts (convolutions OIHW, linear [out, in]), float32.
 */
export interface Model {
  readonly architecture: Architecture;
  readonly form: Form;
  readonly state: NamedArrays;
  readonly metadata: ModelMetadata;
}

export interface ModelMetadata {
  /** Class names in the order of the logits; length = architecture.classes. */
  readonly classNames: readonly string[];
  readonly preprocessing: Preprocessing;
  /** Where the weights come from: seed, data set, command, versions, licence; free text by key. */
  readonly provenance: Readonly<Record<string, string>>;
}
