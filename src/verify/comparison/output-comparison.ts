import { ShapeError } from "../../core/errors.js";
import type { SessionTensor } from "../../engine/session.js";
import { type Difference, DifferenceMeter } from "../difference.js";
import { type Group, type GroupError, GroupMeter } from "./group-meter.js";

/**
 * What a comparison of one output says. Only `same` proves anything.
 * - `different`: further apart than the threshold, and than the reference's own rounding noise
 * - `not-finite`: NaN or infinite on both sides, on all inputs
 * - `constant`: the same on all inputs, although the graph computes it from them: the inputs did not reach it
 * - `ill-conditioned`: apart, but no further than the reference moves by a few roundings of its own weights
 */
export type Verdict = "same" | "different" | "not-finite" | "constant" | "ill-conditioned";

/** The comparison of one output. */
export interface OutputVerification extends Difference {
  /** In the reference, and in the candidate. */
  readonly name: string;
  /** In the candidate. */
  readonly candidateName: string;
  /** What the comparison says of it. */
  readonly verdict: Verdict;
  /** The error of the worst group by that group's own largest number: see `worst`. */
  readonly relative: number;
  /** The channel (index of axis 1, or of another axis) with the largest relative error, or the first number that is not finite. */
  readonly worst: Group | undefined;
  /** max |reference| */
  readonly largest: number;
  /** Channels (of axis 1), and those that were the same on all inputs. */
  readonly channels: number;
  /** Channels that were the same on all inputs. */
  readonly constantChannels: number;
}

/** What is known of an output before anything is run. */
export interface ComparedOutput {
  readonly name: string;
  readonly candidateName: string;
  /** It is computed from the graph's inputs (not from constants and sizes alone). */
  readonly fromInputs: boolean;
}

/** Compares outputs by position, since folding and exporting may rename them: each by itself, by kinds of inputs and by channels. */
export class OutputComparison {
  readonly #outputs: readonly ComparedOutput[];
  readonly #meters: OutputMeter[];
  readonly #all = new DifferenceMeter();
  #samples = 0;
  #top1Disagreements = 0;
  #worst: { index: number; maxAbsolute: number } | undefined;

  /** @param byChannel false: each output has one scale */
  constructor(outputs: readonly ComparedOutput[], byChannel = true) {
    this.#outputs = outputs;
    this.#meters = outputs.map(() => new OutputMeter(byChannel));
  }

  /**
   * @param kind of the inputs: errors are relative to the largest number that inputs of one kind gave.
   * @param samples how many the inputs are
   */
  push(
    kind: string,
    reference: readonly SessionTensor[],
    candidate: readonly SessionTensor[],
    samples = reference[0]?.shape[0] ?? 1,
  ): void {
    if (reference.length !== candidate.length) {
      throw new ShapeError({ expected: `${reference.length} outputs`, received: `${candidate.length}` });
    }
    reference.forEach((output, index) => {
      const other = candidate[index]!;
      checkShapes(`output ${index}`, output.shape, other.shape);
      const batched = output.shape[0] === samples; // a detector's boxes are not samples
      const rows = batched ? samples : 1;
      this.#meters[index]!.push(kind, output, other, batched);
      for (let sample = 0; sample < rows; sample++) {
        const [a, b] = [row(output, sample, rows), row(other, sample, rows)];
        this.#difference(this.#samples + sample, this.#all.push(a, b));
        if (index === 0 && argmax(a) !== argmax(b)) this.#top1Disagreements++;
      }
    });
    this.#samples += samples;
  }

  #difference(index: number, maxAbsolute: number): void {
    if (maxAbsolute > (this.#worst?.maxAbsolute ?? 0)) this.#worst = { index, maxAbsolute };
  }

  get samples(): number {
    return this.#samples;
  }

  get top1Disagreements(): number {
    return this.#top1Disagreements;
  }

  get worstSample(): { readonly index: number; readonly maxAbsolute: number } | undefined {
    return this.#worst;
  }

  /** Some output did not depend on the inputs so far, or was not finite on any. */
  get unreached(): boolean {
    return this.#meters.some((meter, i) => this.#outputs[i]!.fromInputs && (meter.constant || !meter.anyFinite));
  }

  /** Some group of some output is apart by more than the threshold, and than the noise where that is known. */
  exceeds(threshold: number, noise?: OutputComparison): boolean {
    return this.judge(threshold, noise).some(({ verdict, nonFinite }) => verdict === "different" && nonFinite === 0);
  }

  /** @param noise the reference against itself with its weights moved by a few roundings, on inputs of the same kinds */
  judge(threshold: number, noise?: OutputComparison): OutputVerification[] {
    const noises = noise ? noise.#meters : [];
    return this.#outputs.map((output, i) => this.#meters[i]!.judge(output, threshold, noises[i]));
  }

  /** Over all outputs; `relative` is the largest of the outputs' own. */
  overall(outputs: readonly OutputVerification[]): Difference {
    return { ...this.#all.result, relative: outputs.reduce((most, { relative }) => Math.max(most, relative), 0) };
  }
}

interface Worst extends Group {
  readonly relative: number;
}

/** One output. */
class OutputMeter {
  readonly #all = new DifferenceMeter();
  readonly #kinds = new Map<string, { readonly difference: DifferenceMeter; readonly groups: GroupMeter }>();
  readonly #byChannel: boolean;
  #first: Float32Array | undefined;
  #rows = 0;
  #varied: Uint8Array = new Uint8Array(1);

  constructor(byChannel: boolean) {
    this.#byChannel = byChannel;
  }

  push(kind: string, reference: SessionTensor, candidate: SessionTensor, batched: boolean): void {
    const { shape } = reference;
    const rows = batched ? shape[0]! : 1;
    let meters = this.#kinds.get(kind);
    if (!meters) {
      meters = { difference: new DifferenceMeter(), groups: new GroupMeter(shape, batched) };
      this.#kinds.set(kind, meters);
    }
    this.#all.push(reference.data, candidate.data);
    meters.difference.push(reference.data, candidate.data);
    meters.groups.push(shape, reference.data, candidate.data);
    this.#first ??= row(reference, 0, rows).slice();
    if (this.#rows === 0 && shape.length > 1) this.#varied = new Uint8Array(Math.max(1, shape[1]!));
    for (let sample = 0; sample < rows; sample++) this.#compareWithFirst(row(reference, sample, rows), shape);
    this.#rows += rows;
  }

  #compareWithFirst(values: Float32Array, shape: readonly number[]): void {
    const first = this.#first!;
    const channels = this.#varied.length;
    const inner = shape.slice(2).reduce((product, size) => product * size, 1);
    if (values.length !== first.length) this.#varied.fill(1);
    else {
      for (let i = 0; i < values.length; i++) {
        if (values[i] !== first[i] && !Number.isNaN(first[i]!)) this.#varied[Math.floor(i / inner) % channels] = 1;
      }
    }
  }

  /** The same on all samples; of a single sample: one number in all places. */
  get constant(): boolean {
    if (this.#rows > 1) return this.#varied.every((varied) => varied === 0);
    const first = this.#first;
    return first !== undefined && first.length > 1 && first.every((value) => value === first[0]);
  }

  get anyFinite(): boolean {
    return (
      this.#rows === 0 || [...this.#kinds.values()].some(({ difference }) => difference.result.sameNonFinite === 0)
    );
  }

  judge(output: ComparedOutput, threshold: number, noise: OutputMeter | undefined): OutputVerification {
    const { name, candidateName, fromInputs } = output;
    const all = this.#all.result;
    const errors = this.#groups(threshold, noise);
    const verdict = (): Verdict => {
      if (all.nonFinite > 0 || errors.different) return "different";
      if (!this.anyFinite) return "not-finite";
      if (fromInputs && this.constant) return "constant";
      return errors.noise ? "ill-conditioned" : "same";
    };
    const { relative, ...group } = errors.different ?? errors.noise ?? errors.same ?? { relative: 0 };
    const broken = all.nonFinite > 0 || !this.anyFinite ? this.#brokenGroup() : undefined;
    const worst = broken ?? ("axis" in group ? group : undefined);
    const channels = this.#varied.length;
    const constantChannels = this.#rows > 1 ? this.#varied.reduce((count, varied) => count + (1 - varied), 0) : 0;
    const { scale: largest } = this.#all;
    return { ...all, name, candidateName, verdict: verdict(), relative, worst, largest, channels, constantChannels };
  }

  /**
   * The worst group of each class: apart by more than threshold and noise, by more than the threshold but not the noise, by less.
   * Inputs on which both sides are not finite are left out where there are others: many nets overflow on large ones.
   */
  #groups(threshold: number, noise: OutputMeter | undefined): Partial<Record<"different" | "noise" | "same", Worst>> {
    const found: Partial<Record<"different" | "noise" | "same", Worst>> = {};
    const moved = noise ? noise.#errors() : undefined;
    for (const [place, { axis, index, error, scale }] of this.#errors()) {
      const relative = error / (scale || 1);
      const byNoise = moved?.get(place)?.error ?? 0;
      const excused = relative > threshold && error <= byNoise;
      // A channel that cancels to nearly nothing beside others is none of a net that is ill-conditioned as a whole.
      if (excused && byNoise <= threshold) continue;
      const kindOfError = excused ? "noise" : relative > threshold ? "different" : "same";
      const before = found[kindOfError];
      // Channels come before columns: those have small scales of their own wherever a picture is dark.
      if (relative > 0 && (!before || axis < before.axis || (axis === before.axis && relative > before.relative))) {
        found[kindOfError] = { relative, axis, index };
      }
    }
    return found;
  }

  /**
   * Errors and scales of the groups, by place, as shares of the largest number that the same kind of inputs gave anywhere in the output: so
   * that kinds of different sizes count alike, and a number that is small by chance on one input is not a group's scale.
   */
  #errors(): ReadonlyMap<string, GroupError> {
    const errors = new Map<string, GroupError>();
    for (const { difference, groups } of this.#kinds.values()) {
      const { maxAbsolute, sameNonFinite } = difference.result;
      if (sameNonFinite > 0 && this.anyFinite) continue;
      const whole = difference.scale || 1;
      const listed = this.#byChannel ? [...groups.groups()] : [];
      const scalar = { axis: 0, index: 0, error: maxAbsolute, scale: difference.scale, finite: true };
      for (const { axis, index, error, scale, finite } of listed.length > 0 ? listed : [scalar]) {
        const place = `${axis}:${index}`;
        const before = errors.get(place);
        errors.set(place, {
          ...{ axis, index, finite },
          error: Math.max(before?.error ?? 0, error / whole),
          scale: Math.max(before?.scale ?? 0, scale / whole),
        });
      }
    }
    return errors;
  }

  #brokenGroup(): Group | undefined {
    for (const { groups } of this.#kinds.values()) {
      for (const { axis, index, finite } of groups.groups()) if (!finite) return { axis, index };
    }
    return undefined;
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

/** @throws ShapeError where the shapes differ. */
export function checkShapes(what: string, reference: readonly number[], candidate: readonly number[]): void {
  if (`${reference}` === `${candidate}`) return;
  throw new ShapeError({
    expected: `${what} of shape [${reference}], as the reference has it`,
    received: `[${candidate}]`,
  });
}
