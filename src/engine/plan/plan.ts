import type { ConvPlan } from "../../backend/convolution.js";
import type { ConvGeometry } from "../../core/conv-geometry.js";
import { type DType, elementCount } from "../../core/named-arrays.js";
import type { Graph } from "../../graph/graph.js";
import { graphInputs } from "../../graph/graph-inputs.js";
import { type ByteTensor, ByteValues } from "../../integer/byte-values.js";
import { canonical } from "../../integer/canonical.js";
import type { PlanByteConvolution } from "../../integer/convolution.js";
import { findIntegers } from "../../integer/find.js";
import { lowerInteger } from "../../integer/lower.js";
import { quantizedSpellings } from "../../integer/spellings.js";
import type { Constant } from "../../lowering/constants.js";
import { Lowering } from "../../lowering/context.js";
import { type PreparedGraph, prepare } from "../../lowering/prepare.js";
import { lower } from "../../lowering/registry.js";
import type { Buffer, Held, Step, Tensor } from "../../lowering/step.js";
import { checkOperators } from "../lacking.js";
import { type Lifetime, placeBuffers } from "./arena.js";
import { checkExtents } from "./extents.js";
import { fuse } from "./fusion.js";
import { type Scheduled, schedule } from "./lifetimes.js";
import type { PlanReport, StepReport } from "./report.js";

export interface PlanOptions {
  /** Shape of every graph input. */
  readonly inputShapes: Readonly<Record<string, readonly number[]>>;
  /** Values to return beside the graph's outputs. */
  readonly features: readonly string[];
  /** Fold BatchNormalization and other constant per-channel affines into the convolution before them. */
  readonly fuseBatchNorm: boolean;
  readonly planConvolution: (geometry: ConvGeometry) => ConvPlan;
  readonly planTransposedConvolution: (geometry: ConvGeometry) => ConvPlan;
  readonly planByteConvolution: PlanByteConvolution;
}

/** A value that the caller writes or reads, row-major, at `offset` words in the arena. */
export interface Port {
  readonly name: string;
  /** As the graph declares an input; all are float32 words in memory. */
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly words: number;
  readonly offset: number;
  /** See {@link Tensor.counted}: the number is the word behind `words`. */
  readonly counted?: true;
  /** Of an input that is held as bytes, four a word, channels last: see {@link ByteTensor}. */
  readonly bytes?: "u8" | "i8";
}

/** A step whose memory is placed: offsets in words in the arena. */
export interface PlacedStep {
  readonly step: Step;
  readonly offsetOf: (buffer: Buffer) => number;
  /** 0 where the step needs no workspace. */
  readonly workspaceOffset: number;
  /** Of its status word; undefined where it has no {@link Step.refusal}. */
  readonly statusOffset: number | undefined;
}

/** A graph for inputs of one shape as a sequence of kernel calls in one arena. Holds no kernel memory: see Session. */
export interface Plan {
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly steps: readonly PlacedStep[];
  readonly constants: readonly Constant[];
  readonly arenaWords: number;
  /** Words of all steps' status, which a run begins by setting to 0. */
  readonly status: { readonly offset: number; readonly words: number };
  readonly report: PlanReport;
}

/**
 * Plans a graph for inputs of one shape.
 * @throws UserError where the engine lacks an operator or a form of it; ShapeError where shapes do not fit.
 */
export function buildPlan(graph: Graph, options: PlanOptions): Plan {
  const { inputShapes, features, fuseBatchNorm, planConvolution, planTransposedConvolution } = options;
  const whole = prepare(canonical(graph), inputShapes, features, quantizedSpellings);
  checkOperators(whole.nodes);
  checkExtents(whole);
  const { graph: prepared, taken, inFloat } = findIntegers(whole);
  const lowering = new Lowering(prepared, planConvolution, planTransposedConvolution);
  const bytes = new ByteValues(lowering);
  const inputs = graphInputs(graph).map(({ name, dtype }): [string, Tensor | ByteTensor] => {
    const shape = inputShapes[name]!;
    if (dtype !== "u8" && dtype !== "i8") return [name, lowering.define(name, lowering.createRowMajor(name, shape))];
    return [name, bytes.define(name, bytes.create(name, shape, dtype))];
  });
  for (const op of fuse({ graph: prepared, fuseBatchNorm, taken })) {
    if (op.kind === "sum" || op.kind === "node") lower(lowering, op);
    else lowerInteger(bytes, op, options.planByteConvolution);
  }
  const outputs = prepared.outputs.map((name): [string, Tensor] => [name, lowering.result(name)]);

  const buffersOf = (ports: readonly [string, Held][]): Buffer[] => ports.map(([, tensor]) => tensor.buffer);
  const scheduled = schedule(lowering.steps, buffersOf(inputs), buffersOf(outputs));
  const plan = place(scheduled, inputs, outputs, prepared.dtypes);
  return inFloat.length > 0 ? { ...plan, report: { ...plan.report, inFloat } } : plan;
}

function place(
  scheduled: Scheduled,
  inputs: readonly [string, Tensor | ByteTensor][],
  outputs: readonly [string, Tensor][],
  dtypes: PreparedGraph["dtypes"],
): Plan {
  const { steps, slots, slotOf } = scheduled;
  const workspaces = steps.map((step, index): Lifetime => ({ words: step.workspaceWords, start: index, end: index }));
  const refusing = steps.filter((step) => step.refusal);
  const statuses: Lifetime = { words: refusing.length, start: -1, end: steps.length };
  const { offsets, words } = placeBuffers([...slots, ...workspaces, statuses]);
  const status = { offset: offsets[slots.length + steps.length]!, words: refusing.length };
  const offsetOf = (buffer: Buffer): number => offsets[slotOf.get(buffer)!]!;
  const port = ([name, tensor]: [string, Tensor | ByteTensor]): Port => ({
    name,
    dtype: dtypes.get(name) ?? "f32",
    shape: tensor.shape,
    words: "dtype" in tensor ? tensor.buffer.words : elementCount(tensor.shape),
    offset: offsetOf(tensor.buffer),
    ...("dtype" in tensor ? { bytes: tensor.dtype } : tensor.counted && { counted: tensor.counted }),
  });
  const constants = [...new Map(steps.flatMap((step) => step.constants.map((c) => [c.key, c] as const))).values()];
  const ports = { inputs: inputs.map(port), outputs: outputs.map(port) };
  return {
    ...ports,
    steps: steps.map((step, index) => ({
      step,
      offsetOf,
      workspaceOffset: offsets[slots.length + index]!,
      statusOffset: step.refusal && status.offset + refusing.indexOf(step),
    })),
    status,
    constants,
    arenaWords: words,
    report: {
      inputs: ports.inputs.map(({ name, shape }) => ({ name, shape })),
      outputs: ports.outputs.map(({ name, shape }) => ({ name, shape })),
      ...reportSteps(scheduled),
      arenaBytes: bytes(words),
      weightBytes: bytes(sum(constants.map((constant) => constant.words))),
    },
  };
}

function reportSteps({ steps, slots }: Scheduled): Pick<PlanReport, "steps" | "macs" | "peakActivationBytes"> {
  const reports = steps.map((step, index): StepReport => {
    const alive = slots.filter((slot) => slot.start <= index && index <= slot.end);
    const weightBytes = bytes(sum(step.constants.map((constant) => constant.words)));
    return {
      name: step.name,
      op: step.op,
      algorithm: step.algorithm,
      outputShape: step.outputShape,
      ...(step.write.type && { type: step.write.type }),
      macs: step.macs,
      ...(step.convolution && { convolution: step.convolution }),
      bytesRead: bytes(sum(step.reads.map((buffer) => buffer.words))) + weightBytes,
      bytesWritten: bytes(step.write.words),
      weightBytes,
      workspaceBytes: bytes(step.workspaceWords),
      liveBytes: bytes(sum(alive.map((slot) => slot.words))),
      keptBytes: bytes(sum(alive.filter((slot) => slot.end > index).map((slot) => slot.words))),
      liveBuffers: alive.length,
    };
  });
  return {
    steps: reports,
    macs: sum(reports.map((step) => step.macs)),
    peakActivationBytes: Math.max(0, ...reports.map((step) => step.liveBytes)),
  };
}

function bytes(words: number): number {
  return words * 4;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, n) => total + n, 0);
}
