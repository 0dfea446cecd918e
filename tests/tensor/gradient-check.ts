import { describe, expect, it } from "vitest";
import type { Backend } from "#repvgg/backend/backend.js";
import { elementCount } from "#repvgg/core/named-arrays.js";
import { type Rng, rngFor } from "#repvgg/core/rng.js";
import { Parameter, Tape, type Tensor } from "#repvgg/tensor/index.js";
import { backendOf } from "./backends.js";

/** An operation on named inputs, beside the same in float64. */
export interface OperationCase {
  name: string;
  /** `frozen`: no gradient. `values`: instead of standard normal numbers. */
  inputs: Record<string, { shape: readonly number[]; frozen?: boolean; values?: (rng: Rng, index: number) => number }>;
  operation(tape: Tape, inputs: Record<string, Parameter>): Tensor;
  /** Left out: differences are taken of the operation itself, in float32, and `forward` is not checked. */
  reference?(inputs: Record<string, Float64Array>): Float64Array;
  /** Largest error relative to the largest magnitude of what is compared. */
  tolerance?: number;
}

interface Evaluation {
  output: Float32Array;
  gradients: Map<string, Float32Array | undefined>;
}

function inputValues(test: OperationCase): Record<string, Float32Array> {
  return Object.fromEntries(
    Object.entries(test.inputs).map(([name, { shape, values = (rng: Rng) => rng.normal() }]) => {
      const rng = rngFor(1, test.name, name);
      return [name, new Float32Array(elementCount(shape)).map((_, index) => values(rng, index))];
    }),
  );
}

function upstreamGradient(test: OperationCase, size: number): Float32Array {
  const rng = rngFor(2, test.name);
  return new Float32Array(size).map(() => rng.normal());
}

/**
 * The operation's output and gradients; a second pass onto the same gradients must double them.
 * @param free inputs that want a gradient, where that is not left to `test`
 */
function evaluate(
  backend: Backend,
  test: OperationCase,
  values: Record<string, Float32Array>,
  passes = 1,
  free?: readonly string[],
): Evaluation {
  const before = backend.memory.usedWords;
  const tape = new Tape(backend);
  const parameters = Object.entries(test.inputs).map(([name, { shape, frozen = false }]) => {
    const parameter = new Parameter(backend, name, shape, values[name]!);
    parameter.requiresGradient = free ? free.includes(name) : !frozen;
    return parameter;
  });
  const byName = Object.fromEntries(parameters.map((parameter) => [parameter.name, parameter]));
  let output: Float32Array = new Float32Array();
  for (let pass = 0; pass < passes; pass++) {
    const result = test.operation(tape, byName);
    output = result.toArray();
    tape.backward(result, upstreamGradient(test, output.length));
    tape.reset();
  }
  const gradients = new Map(parameters.map((parameter) => [parameter.name, parameter.gradientToArray()]));
  for (const parameter of parameters) parameter.dispose();
  tape.dispose();
  expect(backend.memory.usedWords).toBe(before);
  return { output, gradients };
}

/** Central differences of Σ upstream · f(inputs) for at most `samples` elements of one input. */
function differences(test: OperationCase, values: Record<string, Float32Array>, name: string): Map<number, number> {
  const double = Object.fromEntries(Object.entries(values).map(([key, array]) => [key, Float64Array.from(array)]));
  const inReference = test.reference !== undefined;
  const forward = (): ArrayLike<number> => {
    if (test.reference) return test.reference(double);
    const single = Object.fromEntries(Object.entries(double).map(([key, array]) => [key, Float32Array.from(array)]));
    return evaluate(backendOf(1), test, single).output;
  };
  const upstream = upstreamGradient(test, forward().length);
  const objective = (): number => {
    const output = forward();
    return upstream.reduce((sum, value, i) => sum + value * output[i]!, 0);
  };
  const samples = 24;
  const array = double[name]!;
  const order = rngFor(3, test.name, name)
    .shuffle([...array.keys()])
    .slice(0, samples);
  return new Map(
    order.map((index) => {
      const value = array[index]!;
      const step = (inReference ? 1e-5 : 2 ** -7) * Math.max(1, Math.abs(value));
      const [high, low] = inReference
        ? [value + step, value - step]
        : [Math.fround(value + step), Math.fround(value - step)];
      array[index] = high;
      const above = objective();
      array[index] = low;
      const below = objective();
      array[index] = value;
      return [index, (above - below) / (high - low)];
    }),
  );
}

/** @throws when `actual` differs from `expected` by more than `tolerance` of the largest expected magnitude. */
export function expectClose(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number): void {
  expect(actual.length).toBe(expected.length);
  let [largest, worst, at] = [1e-3, 0, 0];
  for (let i = 0; i < expected.length; i++) {
    largest = Math.max(largest, Math.abs(expected[i]!));
    const error = Math.abs(actual[i]! - expected[i]!);
    if (!(error <= worst)) [worst, at] = [error, i];
  }
  const message = `element ${at}: ${actual[at]} instead of ${expected[at]}`;
  expect(worst / largest, message).toBeLessThanOrEqual(tolerance);
}

/** The tests that every operation must pass. */
export function describeOperation(test: OperationCase): void {
  const { name, reference, tolerance = reference ? 1e-5 : 2e-2 } = test;
  describe(name, () => {
    const values = inputValues(test);
    if (reference) {
      it("computes what its formula says", () => {
        const double = Object.fromEntries(
          Object.entries(values).map(([key, array]) => [key, Float64Array.from(array)]),
        );
        expectClose(evaluate(backendOf(1), test, values).output, reference(double), tolerance);
      });
    }

    it("has the gradients that finite differences give", () => {
      const { gradients } = evaluate(backendOf(1), test, values);
      for (const [input, { frozen = false }] of Object.entries(test.inputs)) {
        const gradient = gradients.get(input);
        if (frozen) {
          expect(gradient, input).toBeUndefined();
          continue;
        }
        const expected = differences(test, values, input);
        expectClose(
          [...expected.keys()].map((index) => gradient![index]!),
          [...expected.values()],
          tolerance,
        );
      }
    });

    it("adds to gradients that are there", () => {
      const once = evaluate(backendOf(1), test, values).gradients;
      const twice = evaluate(backendOf(1), test, values, 2).gradients;
      for (const [input, gradient] of once) {
        if (gradient)
          expectClose(
            twice.get(input)!,
            gradient.map((value) => 2 * value),
            1e-6,
          );
      }
    });

    it("gives each input the same gradient where no other wants one, and none where nobody does", () => {
      const { output, gradients } = evaluate(backendOf(1), test, values);
      for (const free of [...Object.keys(test.inputs).map((input) => [input]), []]) {
        const alone = evaluate(backendOf(1), test, values, 1, free);
        expect(alone.output, `${free}`).toEqual(output);
        for (const [input, gradient] of alone.gradients) {
          if (!free.includes(input)) expect(gradient, `${input} beside ${free}`).toBeUndefined();
          else if (!test.inputs[input]!.frozen) expect(gradient, input).toEqual(gradients.get(input));
          else expect(gradient, input).toHaveLength(values[input]!.length);
        }
      }
    });

    it("gives the same bits on 1 and 2 threads", () => {
      expect(evaluate(backendOf(2), test, values)).toEqual(evaluate(backendOf(1), test, values));
    });
  });
}
