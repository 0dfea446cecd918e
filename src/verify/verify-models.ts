import { pairValues, type ValuePair } from "../analysis/diagnosis/blocks.js";
import { createSession, type Session, type SessionOptions, type SessionTensor } from "../engine/session.js";
import type { Graph } from "../graph/graph.js";
import { GroupMeter } from "./comparison/group-meter.js";
import {
  type ComparedOutput,
  checkShapes,
  OutputComparison,
  type OutputVerification,
} from "./comparison/output-comparison.js";
import { noiseDraws, noiseOf, withNoise } from "./comparison/rounding-noise.js";
import { type Difference, DifferenceMeter } from "./difference.js";
import { computedFromInputs } from "./from-inputs.js";
import { referenceSession } from "./reference-session.js";

export type { OutputVerification, Verdict } from "./comparison/output-comparison.js";

export interface VerifyOptions {
  /** Kernels to run on. Without one the naive float64 evaluator runs, slowly; it has operators that the engine lacks. */
  readonly backend?: SessionOptions["backend"];
  /** Input shape, where the graphs leave it open: see {@link SessionOptions.shape}. */
  readonly shape?: NonNullable<SessionOptions["shape"]>;
  /**
   * Keep one net in kernel memory at a time, with its weights packed as tightly as they are (default false). All inputs are kept
   * instead, and the reference's outputs.
   */
  readonly oneAtATime?: boolean;
  /**
   * Relative error from which two values count as parted. Default {@link thresholds} of the precision, and what the reference's own
   * rounding explains is excused; a threshold that is given is taken at its word.
   */
  readonly threshold?: number;
  /** The precision in which the candidate's weights are stored (default f32): how far rounding may move the outputs. */
  readonly precision?: "f32" | "f16";
  /** Judge each channel by its own scale (default true), not each output as a whole. */
  readonly byChannel?: boolean;
  /** Further inputs, tried as long as an output has not been reached: it was the same on all inputs, or finite on none. */
  readonly further?: () => readonly InputBatch[];
  /** Inner values to compare one by one, by name in both graphs (default: {@link pairValues}). */
  readonly values?: readonly string[];
  /** Samples of the first batch on which they are compared (default 4): all values are kept in memory at once. */
  readonly valueSamples?: number;
}

/** Relative error from which outputs count as different, by the type in which the candidate's weights are stored: float16 has 11 bits. */
export const thresholds = { f32: 1e-4, f16: 1e-2 } as const;

/** A batch: one value where the graphs have one input, else values by input name. */
export type VerifyInput = SessionTensor | Readonly<Record<string, SessionTensor>>;

/** A batch of one kind of inputs: errors are judged kind by kind, so that large inputs do not hide what small ones show. */
export class InputBatch {
  constructor(
    readonly kind: string,
    readonly input: VerifyInput,
  ) {}
}

/** The error of one inner value. */
export interface ValueDifference extends Difference {
  /** In the reference. */
  readonly name: string;
  /** In the candidate. */
  readonly candidateName: string;
  /** Further apart than the threshold. */
  readonly parted: boolean;
}

/** How far two nets' outputs are apart, and what that proves. Plain data. */
export interface Verification {
  /** Images compared. */
  readonly samples: number;
  /** Over all outputs and samples; `relative` is that of the worst output, by the scale of its worst channel. */
  readonly outputs: Difference;
  /** Each output by itself. */
  readonly byOutput: readonly OutputVerification[];
  /** Of the first output: samples whose largest logit is another. */
  readonly top1Disagreements: number;
  /** The sample with the largest absolute difference, counted over all batches; undefined where there is no difference. */
  readonly worstSample: { readonly index: number; readonly maxAbsolute: number } | undefined;
  /**
   * `same`: every output is. `different`: one is. `unproven`: none is, but of some the comparison says nothing (not finite, constant,
   * ill-conditioned).
   */
  readonly verdict: "same" | "different" | "unproven";
  /** The verdict is `same`. */
  readonly agree: boolean;
  /** Inner values that both graphs compute, in the reference's order, on the first samples. */
  readonly values: readonly ValueDifference[];
  /** The first of `values` that parts: where a fold went wrong. */
  readonly firstParted: string | undefined;
}

/**
 * Runs two graphs on the same inputs and says how far they agree, and where they part.
 *
 * @param inputs batches, NCHW, taken one at a time; all of them are compared on the outputs, the first samples also value by value.
 * @throws ShapeError when the graphs do not give outputs of the same number and shape.
 */
export async function verifyModels(
  reference: Graph,
  candidate: Graph,
  inputs: Iterable<VerifyInput | InputBatch> | AsyncIterable<VerifyInput | InputBatch>,
  options: VerifyOptions,
): Promise<Verification> {
  const { precision = "f32", threshold = thresholds[precision], further, byChannel = true } = options;
  const compared = comparedOutputs(reference, candidate);
  const outputs = new OutputComparison(compared, byChannel);
  /** The first batch of each kind. */
  const firsts = new Map<string, InputBatch>();
  const compare = (batches: Parameters<typeof verifyModels>[2]): Promise<void> =>
    runBoth(reference, candidate, batches, options, ({ kind, input }, expected, received) => {
      if (!firsts.has(kind)) firsts.set(kind, new InputBatch(kind, input));
      outputs.push(kind, expected, received, samplesOf(input));
    });
  await compare(inputs);
  if (further && outputs.unreached) await compare(further());

  const noise =
    options.threshold === undefined && outputs.exceeds(threshold)
      ? measureNoise(reference, [...firsts.values()], new OutputComparison(compared, byChannel), options, (measured) =>
          outputs.exceeds(threshold, measured),
        )
      : undefined;
  const byOutput = outputs.judge(threshold, noise);
  const verdicts = new Set(byOutput.map(({ verdict }) => verdict));
  const verdict = verdicts.has("different")
    ? "different"
    : verdicts.size === 1 && verdicts.has("same")
      ? "same"
      : "unproven";

  const pairs =
    options.values?.map((name) => ({ reference: name, candidate: name })) ?? pairValues(reference, candidate);
  const [first] = firsts.values();
  const values =
    first === undefined || pairs.length === 0
      ? []
      : await compareValues(reference, candidate, first.input, pairs, options);
  return {
    samples: outputs.samples,
    outputs: outputs.overall(byOutput),
    byOutput,
    top1Disagreements: outputs.top1Disagreements,
    worstSample: outputs.worstSample,
    verdict,
    agree: verdict === "same",
    values,
    firstParted: values.find((value) => value.parted)?.name,
  };
}

/** Runs a graph with its weights moved by roundings against itself, until `wanting` says that it has seen enough. */
function measureNoise(
  graph: Graph,
  inputs: readonly InputBatch[],
  noise: OutputComparison,
  options: VerifyOptions,
  wanting: (noise: OutputComparison) => boolean,
): OutputComparison {
  const size = noiseOf[options.precision ?? "f32"];
  const run = (of: Graph): SessionTensor[][] => runAll(of, inputs, options);
  const expected = run(graph);
  for (let draw = 0; draw < noiseDraws && wanting(noise); draw++) {
    for (const sign of [1, -1] as const) {
      run(withNoise(graph, size, draw, sign)).forEach(
        (moved, i) => void noise.push(inputs[i]!.kind, expected[i]!, moved, samplesOf(inputs[i]!.input)),
      );
    }
  }
  return noise;
}

/** The first axis of a net's first input counts samples. */
function samplesOf(input: VerifyInput): number {
  const first = isTensor(input) ? input : Object.values(input)[0];
  return first?.shape[0] ?? 1;
}

function comparedOutputs(reference: Graph, candidate: Graph): ComparedOutput[] {
  const reached = computedFromInputs(reference);
  return reference.outputs.map(({ name }, i) => {
    return { name, candidateName: candidate.outputs[i]?.name ?? name, fromInputs: reached.has(name) };
  });
}

type Compared = (batch: InputBatch, reference: SessionTensor[], candidate: SessionTensor[]) => void;

async function runBoth(
  reference: Graph,
  candidate: Graph,
  inputs: Parameters<typeof verifyModels>[2],
  options: VerifyOptions,
  compared: Compared,
): Promise<void> {
  const labelled = (input: VerifyInput | InputBatch): InputBatch =>
    input instanceof InputBatch ? input : new InputBatch("", input);
  if (!options.oneAtATime) {
    await withSessions(reference, candidate, options, { reference: [], candidate: [] }, async (a, b) => {
      for await (const each of inputs) {
        const batch = labelled(each);
        compared(batch, ordered(a, a.run(batch.input)), ordered(b, b.run(batch.input)));
      }
    });
    return;
  }
  const kept: InputBatch[] = [];
  for await (const input of inputs) kept.push(labelled(input));
  const expected = runAll(reference, kept, options);
  runAll(candidate, kept, options).forEach((received, i) => void compared(kept[i]!, expected[i]!, received));
}

/** The outputs of a graph for each batch. */
function runAll(graph: Graph, batches: readonly InputBatch[], options: VerifyOptions): SessionTensor[][] {
  const session = open(graph, [], options);
  try {
    return batches.map(({ input }) => ordered(session, session.run(input)));
  } finally {
    session.dispose();
  }
}

function compareValues(
  reference: Graph,
  candidate: Graph,
  input: VerifyInput,
  pairs: readonly ValuePair[],
  options: VerifyOptions,
): Promise<ValueDifference[]> {
  const { threshold = thresholds[options.precision ?? "f32"], valueSamples = 4 } = options;
  const samples = firstSamples(input, valueSamples);
  const features = {
    reference: pairs.map((pair) => pair.reference),
    candidate: pairs.map((pair) => pair.candidate),
  };
  return withSessions(reference, candidate, options, features, (a, b) => {
    const [ours, theirs] = [a.run(samples), b.run(samples)];
    return pairs.flatMap(({ reference: name, candidate: candidateName }) => {
      const [own, other] = [ours[name]!, theirs[candidateName]!];
      // One name for values of different shapes: not the same value, unless the caller says so.
      if (!options.values && `${own.shape}` !== `${other.shape}`) return [];
      checkShapes(name, own.shape, other.shape);
      const meter = new DifferenceMeter();
      meter.push(own.data, other.data);
      const { result } = meter;
      const parted = result.relative > threshold || result.nonFinite > 0 || hasPartedGroup(own, other, threshold);
      return { name, candidateName, ...result, parted };
    });
  });
}

/** Errors of a channel below this share of the whole value are taken for rounding noise, which is not measured inside. */
const noiseInside = 2 ** -18;

/** Some channel is apart by its own scale. */
function hasPartedGroup(reference: SessionTensor, candidate: SessionTensor, threshold: number): boolean {
  const meter = new GroupMeter(reference.shape);
  meter.push(reference.shape, reference.data, candidate.data);
  const groups = [...meter.groups()];
  const whole = groups.reduce((most, { scale }) => Math.max(most, scale), 0);
  return groups.some(({ error, scale }) => error > threshold * scale && error > noiseInside * whole);
}

type Runnable = Pick<Session, "outputNames" | "run" | "dispose">;

function open(graph: Graph, features: readonly string[], { backend, shape, oneAtATime }: VerifyOptions): Runnable {
  if (!backend) return referenceSession(graph, features);
  return createSession(graph, {
    backend,
    features,
    fuseBatchNorm: false, // BatchNorm stays a step of its own: folding is what is being checked.
    ...(oneAtATime && { compactWeights: true }),
    ...(shape && { shape }),
  });
}

async function withSessions<R>(
  reference: Graph,
  candidate: Graph,
  options: VerifyOptions,
  features: { readonly reference: readonly string[]; readonly candidate: readonly string[] },
  work: (reference: Runnable, candidate: Runnable) => R | Promise<R>,
): Promise<R> {
  const sessions: Runnable[] = [];
  try {
    sessions.push(open(reference, features.reference, options));
    sessions.push(open(candidate, features.candidate, options));
    const [a, b] = sessions as [Runnable, Runnable];
    return await work(a, b);
  } finally {
    for (const session of sessions) session.dispose();
  }
}

function firstSamples(input: VerifyInput, samples: number): VerifyInput {
  if (isTensor(input)) {
    const count = Math.min(samples, input.shape[0]!);
    const size = input.data.length / input.shape[0]!;
    return { shape: [count, ...input.shape.slice(1)], data: input.data.subarray(0, count * size) };
  }
  return Object.fromEntries(
    Object.entries(input).map(([name, tensor]) => [name, firstSamples(tensor, samples) as SessionTensor]),
  );
}

function isTensor(input: VerifyInput): input is SessionTensor {
  return input.data instanceof Float32Array;
}

function ordered(session: Runnable, outputs: Readonly<Record<string, SessionTensor>>): SessionTensor[] {
  return session.outputNames.map((name) => outputs[name]!);
}
