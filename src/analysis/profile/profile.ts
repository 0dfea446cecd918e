import type { Backend } from "../../backend/backend.js";
import { convCost } from "../../backend/conv/plan.js";
import type { ConvGeometry } from "../../core/conv-geometry.js";
import { elementCount } from "../../core/named-arrays.js";
import { quantile } from "../../core/statistics.js";
import { createSession, type Session, type SessionTensor, type StepProfile } from "../../engine/session.js";
import type { Graph } from "../../graph/graph.js";
import { compareLatency, type Latency, measureLatency } from "../latency.js";
import { type LayerOf, parametersByLayer } from "./layers.js";
import { measurePeaks, type Peaks } from "./peaks.js";
import { type RoofPosition, roofPosition } from "./roofline.js";

/** What a layer, or a whole net, costs for one run. */
export interface Costs {
  /** Learned numbers (BatchNorm's statistics are none). */
  readonly parameters: number;
  /** Multiply-accumulates of convolutions and matrix products, padding counted. */
  readonly macs: number;
  /** As the paper counts them: 4/9 of the MACs of every 3×3 convolution of stride 1, everything else in full. */
  readonly winogradMultiplications: number;
  /** Products that the chosen algorithms make, whole micro-tiles counted. */
  readonly multiplications: number;
  /** Memory-access cost: activations and packed weights read, activations written, each byte of a step once. */
  readonly bytesRead: number;
  readonly bytesWritten: number;
  /** Most bytes of activations alive during a step, and most of them still needed after one. */
  readonly liveBytes: number;
  readonly keptBytes: number;
  /** Medians of the steps, added. */
  readonly milliseconds: number;
}

/** A layer where it stands under the roof of its machine. */
export interface LayerProfile extends Costs, RoofPosition {
  readonly layer: string;
  /** Of its convolutions; of its other steps where it has none. */
  readonly algorithms: readonly string[];
  readonly outputShape: readonly number[];
}

/** A form of a net, run on one kind of kernels. */
export interface FormProfile {
  readonly form: string;
  readonly total: Costs & RoofPosition;
  readonly layers: readonly LayerProfile[];
  /** The plan, step by step, with the layer of each. */
  readonly steps: readonly (StepProfile & { readonly layer: string })[];
  /** Milliseconds of whole runs, not stopped after each step. */
  readonly run: Latency;
}

/** Forms of a net side by side on one kind of kernels. */
export interface BackendProfile {
  readonly backend: string;
  readonly threads: number;
  readonly peaks: Peaks;
  readonly forms: readonly FormProfile[];
}

/** A form to measure. */
export interface ProfiledGraph {
  readonly form: string;
  readonly graph: Graph;
  readonly layerOf: LayerOf;
  readonly fuseBatchNorm: boolean;
}

export interface ProfileGraphsOptions {
  readonly backend: Backend;
  /** By input name. */
  readonly shapes: Readonly<Record<string, readonly number[]>>;
  /** Times that every step is run (default 9). */
  readonly repeats?: number;
}

/** Rounds in which the forms take turns, so that a machine that slows down slows both. */
const rounds = 3;

/** Plans and measures forms of one net. @throws UserError where the engine lacks an operator. */
export function profileGraphs(
  forms: readonly ProfiledGraph[],
  { backend, shapes, repeats = 9 }: ProfileGraphsOptions,
): BackendProfile {
  const sessions: Session[] = [];
  try {
    for (const { graph, fuseBatchNorm } of forms) {
      sessions.push(createSession(graph, { backend, shape: shapes, fuseBatchNorm }));
    }
    const peaks = measurePeaks(backend);
    const measured = sessions.map((): StepProfile[][] => []);
    for (let round = 0; round < rounds; round++) {
      for (const [i, session] of sessions.entries()) {
        measured[i]!.push([...session.profile({ repeats: Math.ceil(repeats / rounds) })]);
      }
    }
    const inputs = zeros(shapes);
    const runs = sessions[1]
      ? twoLatencies(sessions[0]!, sessions[1], inputs, repeats)
      : sessions.map((session) => measureLatency(session, inputs, { repeats }));
    return {
      backend: backend.name,
      threads: backend.threads,
      peaks,
      forms: forms.map((form, i) => formProfile(form, sessions[i]!, measured[i]!, runs[i]!, { backend, peaks })),
    };
  } finally {
    for (const session of sessions) session.dispose();
  }
}

function zeros(shapes: ProfileGraphsOptions["shapes"]): Record<string, SessionTensor> {
  const tensor = (shape: readonly number[]) => ({ shape, data: new Float32Array(elementCount(shape)) });
  return Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [name, tensor(shape)]));
}

function twoLatencies(
  a: Session,
  b: Session,
  inputs: Readonly<Record<string, SessionTensor>>,
  repeats: number,
): readonly Latency[] {
  const both = compareLatency(a, b, inputs, { repeats });
  return [both.a, both.b];
}

function formProfile(
  { form, graph, layerOf }: ProfiledGraph,
  session: Session,
  measured: readonly (readonly StepProfile[])[],
  run: Latency,
  { backend, peaks }: { readonly backend: Backend; readonly peaks: Peaks },
): FormProfile {
  const plan = session.plan();
  const steps = plan.steps.map((step, i) => ({
    ...step,
    layer: layerOf(step.name),
    milliseconds: quantile(
      measured.map((round) => round[i]!.milliseconds),
      0.5,
    ),
  }));
  const parameters = parametersByLayer(graph, layerOf);
  const names = [...new Set(steps.map(({ layer }) => layer))];
  const layers = names.map((layer): LayerProfile => {
    const own = steps.filter((step) => step.layer === layer);
    const costs = costsOf(own, parameters.get(layer) ?? 0, backend);
    const convolutions = own.filter((step) => step.convolution);
    return {
      layer,
      ...costs,
      ...roofPosition(costs, peaks),
      algorithms: [...new Set((convolutions.length > 0 ? convolutions : own).map(({ algorithm }) => algorithm))],
      outputShape: own.at(-1)!.outputShape,
    };
  });
  const allParameters = [...parameters.values()].reduce((sum, count) => sum + count, 0);
  const total = costsOf(steps, allParameters, backend);
  return {
    form,
    total: { ...total, ...roofPosition(total, peaks) },
    layers,
    steps,
    run,
  };
}

/** Multiplications that a step's algorithm does: of bytes directly one a product, by Winograd's algorithm as of float32. */
function multiplicationsOf({ convolution, algorithm, macs }: StepProfile, backend: Backend): number {
  if (!convolution) return 0;
  const ofBytes = /^u8_(.*)$/.exec(algorithm)?.[1];
  if (ofBytes !== undefined && !ofBytes.startsWith("winograd")) return macs;
  return convCost(convolution, "forward", ofBytes ?? algorithm, backend).multiplications;
}

function costsOf(steps: readonly StepProfile[], parameters: number, backend: Backend): Costs {
  const sum = (of: (step: StepProfile) => number): number => steps.reduce((total, step) => total + of(step), 0);
  const most = (of: (step: StepProfile) => number): number => Math.max(0, ...steps.map(of));
  return {
    parameters,
    macs: sum((step) => step.macs),
    winogradMultiplications: sum((step) => step.macs * winogradShare(step.convolution)),
    multiplications: sum((step) => multiplicationsOf(step, backend)),
    bytesRead: sum((step) => step.bytesRead),
    bytesWritten: sum((step) => step.bytesWritten),
    liveBytes: most((step) => step.liveBytes),
    keptBytes: most((step) => step.keptBytes),
    milliseconds: sum((step) => step.milliseconds),
  };
}

/** F(2×2, 3×3) makes 16 products where the direct way makes 36 (the paper, section 4.1). */
function winogradShare(g: ConvGeometry | undefined): number {
  if (!g) return 1;
  const ones = [g.strideHeight, g.strideWidth, g.dilationHeight, g.dilationWidth].every((n) => n === 1);
  return ones && g.kernelHeight === 3 && g.kernelWidth === 3 ? 4 / 9 : 1;
}
