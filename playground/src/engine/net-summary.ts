import type { BlockLayout, ByForm, Form, RefusalReport, RegionReport } from "repvgg/browser";

export type { ByForm, Form };

/** What the page shows of a net without asking it. */
export interface NetSummary {
  readonly id: string;
  /** In a sentence: "the CIFAR-10 net". */
  readonly title: string;
  /** One sentence each: what the file was, what was assumed. */
  readonly notes: readonly string[];
  /** The form that the weights came in; undefined for a graph that is no RepVGG. */
  readonly form: Form | undefined;
  /** Undefined for a net that does not classify pictures: it folds all the same. */
  readonly classNames: readonly string[] | undefined;
  /** Why it does not. */
  readonly notClassifying: string | undefined;
  /** What of its classes and pictures was assumed, one sentence each. */
  readonly assumed: readonly string[];
  /** False for a net with seeded weights: its answers mean nothing. */
  readonly trained: boolean;
  /** Undefined for a net that does not read pictures. */
  readonly inputSize: readonly [height: number, width: number] | undefined;
  /** Of a RepVGG; empty for another graph. */
  readonly blocks: readonly BlockSummary[];
  /** Of another graph; empty for a RepVGG. */
  readonly regions: readonly RegionReport[];
  readonly refusals: readonly RefusalReport[];
  readonly nodes: ByForm;
  /** For one picture of the input size; undefined for a graph that is no RepVGG. */
  readonly macs: ByForm | undefined;
  readonly parameters: ByForm;
}

export interface BlockSummary extends Omit<BlockLayout, "squeezeExcite"> {
  readonly squeezeExcite: boolean;
  /** [height, width] of the output, at the net's own input size. */
  readonly outputSize: readonly [height: number, width: number];
  readonly macs: ByForm;
  readonly parameters: ByForm;
}
