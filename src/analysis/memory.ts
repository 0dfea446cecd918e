import type { PlanReport } from "../engine/plan/report.js";

/** Memory of activations while one step runs. */
export interface MemoryPoint {
  readonly step: string;
  readonly op: string;
  /** Activations alive, and scratch memory of the step, in bytes. */
  readonly activationBytes: number;
  readonly workspaceBytes: number;
  /** Of the activations, those still needed when the step is done: what the paper's figure 3 counts. */
  readonly keptBytes: number;
  readonly activations: number;
}

/** A plan's memory over time. */
export interface MemoryTimeline {
  readonly points: readonly MemoryPoint[];
  /** Most bytes of activations alive at once, the step where that is first so, and most activations alive at once. */
  readonly peakActivationBytes: number;
  readonly peakStep: string | undefined;
  readonly peakActivations: number;
  /** Most bytes of activations that are needed from one step to a later one. */
  readonly peakKeptBytes: number;
  readonly arenaBytes: number;
  readonly weightBytes: number;
}

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
