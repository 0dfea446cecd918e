import type { Dataset } from "../data/dataset.js";
import type { LabelColumns } from "../labels/columns.js";

/** What a net is trained on, what its epochs are judged by, and what it is tested on once. */
export interface TrainingSets {
  /** Pictures to learn from. */
  readonly train: Dataset;
  /** Pictures that judge every epoch; neither trained nor tested on. */
  readonly validation?: Dataset;
  /** Pictures on which the net is measured once, at the end. */
  readonly test?: Dataset;
  /** How they can be opened again, where they come from a place. */
  readonly origin?: SplitOrigin;
  /** Part of each class that was held out for testing; undefined where the test pictures are a split of their own; 0: none was. */
  readonly heldOut?: number;
  /**
   * Part of each class's training pictures that was taken as validation pictures, 0: none were; undefined where they are pictures of their
   * own, or nobody has decided.
   */
  readonly validationPart?: number;
}

/** A place (folder or known name) and how it is split where it has no test pictures of its own. Plain JSON. */
export interface SplitOrigin extends LabelColumns {
  /** The folder or known name. */
  readonly place: string;
  /** Part of each class that is held out. */
  readonly holdOut: number;
  /** Of the choice of held-out pictures. */
  readonly seed: number;
}
