import type { RefusalKind } from "../refusals.js";
import type { Maker } from "./linear-node.js";

/** One rule of the fold: how some operators are linear maps. Its page is `docs/fold/<id>.md`. */
export interface Rule {
  readonly id: string;
  /** The nodes that it is about, in words: for the table in docs/fold/README.md. */
  readonly nodes: string;
  /** What such a node does to the map of the value that it reads, in one line. */
  readonly effect: string;
  /** The kinds of refusals that come from here, besides those of regions and those that the operators' own checks find before. */
  readonly refuses: readonly RefusalKind[];
  /** By operator. Where several rules cover an operator, the first in the registry that does not give undefined counts. */
  readonly makers: Readonly<Record<string, Maker>>;
}
