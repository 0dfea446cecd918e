import { ShapeError } from "../core/errors.js";
import { createSession, type Session, type SessionOptions, type SessionTensor } from "../engine/session.js";
import type { Graph } from "../graph/graph.js";
import { pairValues, type ValuePair } from "./diagnosis/blocks.js";
import { type Difference, DifferenceMeter } from "./difference.js";
import { referenceSession } from "./reference-session.js";

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
  /** Relative error from which two values count as parted (default 1e-4). */
  readonly threshold?: number;
  /** Inner values to compare one by one, by name in both graphs (default: {@link pairValues}). */
  readonly values?: readonly string[];
  /** Samples of the first batch on which they are compared (default 4): all values are kept in memory at once. */
  readonly valueSamples?: number;
}

/** A batch: one value where the graphs have one input, else values by input name. */
export type VerifyInput = SessionTensor | Readonly<Record<string, SessionTensor>>;

/** The error of one inner value. */
export interface ValueDifference extends Difference {
  /** In the reference. */
  readonly name: string;
  readonly candidateName: string;
  readonly parted: boolean;
}

export interface Verification {
  /** Images compared. */
  readonly samples: number;
  /** Over all outputs and samples. */
  readonly outputs: Difference;
  /** Of the first output: samples whose largest logit is another. */
  readonly top1Disagreements: number;
  /** The sample with the largest absolute difference, counted over all batches; undefined where there is no difference. */
  readonly worstSample: { readonly index: number; readonly maxAbsolute: number } | undefined;
  /** Outputs agree within the threshold, and all numbers are finite on both sides or on neither. */
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
  inputs: Iterable<VerifyInput> | AsyncIterable<VerifyInput>,
  options: VerifyOptions,
): Promise<Verification> {
  const { threshold = 1e-4 } = options;
  const outputs = new OutputComparison();
  let first: VerifyInput | undefined;
  if (options.oneAtATime) {
    const kept: VerifyInput[] = [];
    for await (const input of inputs) kept.push(input);
    [first] = kept;
    const run = (graph: Graph): SessionTensor[][] => {
      const session = open(graph, [], options);
      try {
        return kept.map((input) => ordered(session, session.run(input)));
      } finally {
        session.dispose();
      }
    };
    const expected = run(reference);
    run(candidate).forEach((received, i) => void outputs.push(expected[i]!, received));
  } else {
    await withSessions(reference, candidate, options, { reference: [], candidate: [] }, async (a, b) => {
      for await (const input of inputs) {
        first ??= input;
        outputs.push(ordered(a, a.run(input)), ordered(b, b.run(input)));
      }
    });
  }
  const pairs =
    options.values?.map((name) => ({ reference: name, candidate: name })) ?? pairValues(reference, candidate);
  const values =
    first === undefined || pairs.length === 0 ? [] : await compareValues(reference, candidate, first, pairs, options);
  const result = outputs.result;
  return {
    ...result,
    agree: result.outputs.relative <= threshold && result.outputs.nonFinite === 0,
    values,
    firstParted: values.find((value) => value.parted)?.name,
  };
}

function compareValues(
  reference: Graph,
  candidate: Graph,
  input: VerifyInput,
  pairs: readonly ValuePair[],
  options: VerifyOptions,
): Promise<ValueDifference[]> {
  const { threshold = 1e-4, valueSamples = 4 } = options;
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
      return { name, candidateName, ...result, parted: result.relative > threshold || result.nonFinite > 0 };
    });
  });
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

/** Compares outputs by position: folding and exporting may rename them. */
class OutputComparison {
  readonly #meter = new DifferenceMeter();
  #samples = 0;
  #top1Disagreements = 0;
  #worst: { index: number; maxAbsolute: number } | undefined;

  push(reference: readonly SessionTensor[], candidate: readonly SessionTensor[]): void {
    if (reference.length !== candidate.length) {
      throw new ShapeError({ expected: `${reference.length} outputs`, received: `${candidate.length}` });
    }
    const samples = reference[0]!.shape[0] ?? 1;
    reference.forEach((output, index) => {
      const other = candidate[index]!;
      checkShapes(`output ${index}`, output.shape, other.shape);
      const rows = output.shape[0] === samples ? samples : 1; // a detector's boxes are not samples
      for (let sample = 0; sample < rows; sample++) {
        const [a, b] = [row(output, sample, rows), row(other, sample, rows)];
        this.#difference(this.#samples + sample, this.#meter.push(a, b));
        if (index === 0 && argmax(a) !== argmax(b)) this.#top1Disagreements++;
      }
    });
    this.#samples += samples;
  }

  #difference(index: number, maxAbsolute: number): void {
    if (maxAbsolute > (this.#worst?.maxAbsolute ?? 0)) this.#worst = { index, maxAbsolute };
  }

  get result(): Pick<Verification, "samples" | "outputs" | "top1Disagreements" | "worstSample"> {
    return {
      samples: this.#samples,
      outputs: this.#meter.result,
      top1Disagreements: this.#top1Disagreements,
      worstSample: this.#worst,
    };
  }
}

function row({ data }: SessionTensor, index: number, rows: number): Float32Array {
  const width = data.length / rows;
  return data.subarray(index * width, (index + 1) * width);
}

function argmax(values: Float32Array): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i]! > values[best]!) best = i;
  return best;
}

function checkShapes(what: string, reference: readonly number[], candidate: readonly number[]): void {
  if (`${reference}` === `${candidate}`) return;
  throw new ShapeError({
    expected: `${what} of shape [${reference}], as the reference has it`,
    received: `[${candidate}]`,
  });
}
