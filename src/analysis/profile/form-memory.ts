import type { PlanReport } from "../../engine/plan/report.js";
import { type MemoryPoint, type MemoryTimeline, memoryTimeline } from "../memory.js";
import type { LayerOf } from "./layers.js";

/** Memory of activations over one run of a form of a net. */
export interface FormMemory extends MemoryTimeline {
  readonly form: string;
  readonly points: readonly LayerMemoryPoint[];
}

export interface LayerMemoryPoint extends MemoryPoint {
  readonly layer: string;
}

/** Memory while one layer runs, in multiples of what it reads. */
export interface LayerMemory {
  readonly layer: string;
  readonly inputBytes: number;
  /** What the layer's steps need while they run (operands and results), and keep for later steps: over the layer's input. */
  readonly peakLive: number;
  readonly peakKept: number;
  readonly points: readonly {
    readonly step: string;
    readonly op: string;
    readonly live: number;
    readonly kept: number;
  }[];
}

export function formMemory(form: string, plan: PlanReport, layerOf: LayerOf): FormMemory {
  const timeline = memoryTimeline(plan);
  return { ...timeline, form, points: timeline.points.map((point) => ({ ...point, layer: layerOf(point.step) })) };
}

/** Undefined for the first layer, and where there is no such layer. */
export function layerMemory({ points }: FormMemory, layer: string): LayerMemory | undefined {
  const first = points.findIndex((point) => point.layer === layer);
  const inputBytes = points[first - 1]?.keptBytes;
  if (!inputBytes) return undefined;
  const own = points.filter((point) => point.layer === layer);
  const relative = own.map(({ step, op, activationBytes, keptBytes }) => ({
    step,
    op,
    live: activationBytes / inputBytes,
    kept: keptBytes / inputBytes,
  }));
  return {
    layer,
    inputBytes,
    peakLive: Math.max(...relative.map(({ live }) => live)),
    peakKept: Math.max(...relative.map(({ kept }) => kept)),
    points: relative,
  };
}

/**
 * Of the layers whose result is as large as their input, the first that keeps most meanwhile: in training form a block with an
 * identity branch.
 */
export function mostKeepingLayer(memory: FormMemory): string | undefined {
  let most = 0;
  let found: string | undefined;
  for (const layer of new Set(memory.points.map((point) => point.layer))) {
    const { peakKept = 0, points = [] } = layerMemory(memory, layer) ?? {};
    if (peakKept > most && points.at(-1)!.kept === 1) [most, found] = [peakKept, layer];
  }
  return found;
}
