import type { RefusalKind } from "./refusals.js";
import type { TraceStep } from "./trace.js";

/** What a fold did, and what it left and why. Plain data. */
export interface FoldReport {
  /** What became one convolution each, in graph order. */
  readonly regions: readonly RegionReport[];
  /** Linear nodes that stayed, with the reasons. */
  readonly refusals: readonly RefusalReport[];
  /** Nodes of the graph before. */
  readonly nodesBefore: number;
  /** Nodes of the graph after. */
  readonly nodesAfter: number;
}

/** Several linear nodes that became one convolution. */
export interface RegionReport {
  /** Names of the nodes that went, in graph order. */
  readonly nodes: readonly string[];
  /** The value that the region reads. */
  readonly source: string;
  /** The value that it gives: its name before and after. */
  readonly output: string;
  /** The new operator: Conv, ConvTranspose, Gemm, MatMul (with an Add behind it where there is a bias), or Mul and Add. */
  readonly op: string;
  /** Name of the new convolution. */
  readonly conv: string;
  /** "3×3, 64 → 64, stride 1, groups 1" */
  readonly form: string;
  /**
   * Multiply-accumulates of the nodes that went and of the convolution (elementwise nodes count one an element, pools nothing): for one
   * image where the image size is known, else for one pixel of the nearest value before it of unknown size.
   */
  readonly macsBefore: number;
  /** Of the convolution that replaces them. */
  readonly macsAfter: number;
  /** Why the nodes are linear in the source, one by one: {@link RegionReport.nodes} with their rules and what they make. */
  readonly steps: readonly TraceStep[];
}

/** A linear node that was not merged with what comes before it. */
export interface RefusalReport {
  /** Its name in the graph. */
  readonly node: string;
  /** Its ONNX operator. */
  readonly op: string;
  /** In plain words, with the names and numbers of this case. */
  readonly reason: string;
  /** Why, by name: `docs/fold/README.md` lists all. */
  readonly kind: RefusalKind;
  /** What can be done about it. */
  readonly remedy: string;
  /** The rule that the node would have been folded by. */
  readonly rule: string;
  /** The page that explains it, in this package's repository. */
  readonly page: string;
}

/** The report as lines for people. */
export function describeFold(report: FoldReport): string[] {
  return [
    `${report.nodesBefore} → ${report.nodesAfter} nodes, ${report.regions.length} regions folded`,
    ...report.regions.map(({ nodes, op, conv, form, macsBefore, macsAfter }) => {
      const cost = `${macsBefore.toLocaleString("en")} → ${macsAfter.toLocaleString("en")} MACs`;
      return `folded ${nodes.length} nodes into ${op} "${conv}" (${form}; ${cost}): ${nodes.join(", ")}`;
    }),
    ...report.refusals.map(({ node, op, reason }) => `kept ${op} "${node}": ${reason}`),
  ];
}
