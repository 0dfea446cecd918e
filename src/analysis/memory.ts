import type { PlanReport } from "../engine/plan/report.js";

/** Memory of activations while one step runs. */
export interface MemoryPoint {
  /** The plan's step, by the name of its node. */
  readonly step: string;
  /** The ONNX operators done in it: "Conv+Add+Relu". */
  readonly op: string;
  /** Activations alive, and scratch memory of the step, in bytes. */
  readonly activationBytes: number;
  /** Scratch memory of the step, in bytes. */
  readonly workspaceBytes: number;
  /** Of the activations, those still needed when the step is done: what the paper's figure 3 counts. */
  readonly keptBytes: number;
  /** Separate activations alive during the step. */
  readonly activations: number;
}

/** A plan's memory over time. */
export interface MemoryTimeline {
  /** One for each step, in the order in which they run. */
  readonly points: readonly MemoryPoint[];
  /** Most bytes of activations alive at once, the step where that is first so, and most activations alive at once. */
  readonly peakActivationBytes: number;
  /** The first step at which the most bytes are alive; undefined where there are no steps. */
  readonly peakStep: string | undefined;
  /** Most activations alive at once. */
  readonly peakActivations: number;
  /** Most bytes of activations that are needed from one step to a later one. */
  readonly peakKeptBytes: number;
  /** Bytes of the one block that holds all activations and workspaces. */
  readonly arenaBytes: number;
  /** Bytes of packed weights and per-channel vectors. */
  readonly weightBytes: number;
}

/** The memory of a plan's activations, step by step, in bytes: what the paper's figure 3 draws. */
export function memoryTimeline(report: PlanReport): MemoryTimeline {
  const { peakActivationBytes, arenaBytes, weightBytes } = report;
  return {
    points: report.steps.map((step) => ({
      step: step.name,
      op: step.op,
      activationBytes: step.liveBytes,
      workspaceBytes: step.workspaceBytes,
      keptBytes: step.keptBytes,
      activations: step.liveBuffers,
    })),
    peakActivationBytes,
    peakStep: report.steps.find((step) => step.liveBytes === peakActivationBytes)?.name,
    peakActivations: Math.max(0, ...report.steps.map((step) => step.liveBuffers)),
    peakKeptBytes: Math.max(0, ...report.steps.map((step) => step.keptBytes)),
    arenaBytes,
    weightBytes,
  };
}
