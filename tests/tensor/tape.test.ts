import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  add,
  conv2d,
  multiply,
  NamedTensor,
  Parameter,
  relu,
  scale,
  sigmoid,
  sum,
  Tape,
  type Tensor,
} from "#repvgg/tensor/index.js";
import { backendOf } from "./backends.js";

const backend = backendOf(1);
let tape: Tape;
let weight: Parameter;
let emptyWords: number;

beforeEach(() => {
  emptyWords = backend.memory.usedWords;
  tape = new Tape(backend);
  weight = new Parameter(backend, "weight", [4], [1, 2, 3, 4]);
});

afterEach(() => {
  weight.dispose();
  tape.dispose();
  expect(backend.memory.usedWords).toBe(emptyWords);
});

const input = (): Tensor => tape.constant([4], [5, -6, 7, -8]);
/** −0 counts as 0. */
const numbers = (values: Float32Array | undefined): number[] => [...values!].map((value) => value + 0);

describe("Tensor", () => {
  it("holds what it is given", () => {
    expect([...input().toArray()]).toEqual([5, -6, 7, -8]);
    expect(input().shape).toEqual([4]);
    expect(tape.empty([]).size).toBe(1);
  });

  it("refuses values that do not fill it and sizes that are none", () => {
    expect(() => input().set([1, 2])).toThrow("expected 4 values for [4], received 2");
    expect(() => tape.empty([2, 0])).toThrow("positive integers");
    expect(() => tape.empty([2.5])).toThrow("positive integers");
    expect(() => tape.empty([Number.NaN])).toThrow("positive integers");
  });

  it("cannot be read after it was freed", () => {
    const x = input();
    tape.release(x);
    expect(x.isFreed).toBe(true);
    expect(() => x.toArray()).toThrow("freed already");
  });
});

describe("Parameter and NamedTensor", () => {
  it("outlive release, backward and reset", () => {
    const named = new NamedTensor(backend, "statistic", [4]);
    tape.release(weight, named);
    tape.backward(sum(tape, multiply(tape, weight, named)));
    tape.reset();
    expect([...named.toArray()]).toEqual([0, 0, 0, 0]);
    expect([...weight.toArray()]).toEqual([1, 2, 3, 4]);
    named.dispose();
  });

  it("accumulate gradients until they are cleared, and then overwrite", () => {
    const step = (): void => {
      tape.backward(sum(tape, multiply(tape, weight, input())));
      tape.reset();
    };
    expect(weight.gradient).toBe(0);
    expect(weight.gradientToArray()).toBeUndefined();
    step();
    step();
    expect([...weight.gradientToArray()!]).toEqual([10, -12, 14, -16]);
    weight.clearGradient();
    expect(weight.gradient).toBe(0);
    step();
    expect([...weight.gradientToArray()!]).toEqual([5, -6, 7, -8]);
  });

  it("frozen, get no gradient, and nothing is recorded or kept for them", () => {
    weight.requiresGradient = false;
    const x = input();
    const y = multiply(tape, weight, x);
    expect(y.requiresGradient).toBe(false);
    tape.release(x);
    expect(x.isFreed).toBe(true);
    tape.backward(sum(tape, y));
    expect(weight.gradient).toBe(0);
  });
});

describe("Tape", () => {
  it("multiplies a given upstream gradient by the Jacobian", () => {
    tape.backward(multiply(tape, weight, input()), [1, 10, 100, 1000]);
    expect([...weight.gradientToArray()!]).toEqual([5, -60, 700, -8000]);
    expect(() => tape.backward(multiply(tape, weight, input()))).toThrow("give backward a scalar loss");
  });

  it("frees an activation as soon as its last backward user ran", () => {
    const tensors: Record<string, Tensor> = {};
    const alive: string[][] = [];
    /** The identity; tells which tensors live when the gradient passes. */
    const spy = (x: Tensor): Tensor => {
      const output = tape.constant(x.shape, x.toArray());
      const backward = (): void => {
        alive.push(Object.keys(tensors).filter((name) => !tensors[name]!.isFreed));
        tape.passGradient(output, x);
      };
      return tape.record({ output, inputs: [x], saved: [], backward });
    };
    tensors.x = input();
    tensors.product = multiply(tape, weight, tensors.x); // saves x
    tensors.copy = spy(tensors.product);
    tensors.sigmoid = sigmoid(tape, tensors.copy); // saves its output
    tensors.square = multiply(tape, tensors.sigmoid, tensors.sigmoid); // saves sigmoid
    tensors.copyOfSquare = spy(tensors.square);
    tensors.relu = relu(tape, tensors.copyOfSquare); // saves its output
    tape.backward(sum(tape, spy(tensors.relu)));
    expect(alive).toEqual([["x", "sigmoid", "relu"], ["x", "sigmoid"], ["x"]]);
    expect(Object.values(tensors).every((tensor) => tensor.isFreed && tensor.gradient === 0)).toBe(true);
  });

  it("keeps the loss and what it was told to keep until reset", () => {
    const x = input();
    const y = tape.keep(multiply(tape, weight, x));
    const loss = sum(tape, y);
    tape.backward(loss);
    expect([...loss.toArray()]).toEqual([5 - 12 + 21 - 32]);
    expect([...y.toArray()]).toEqual([5, -12, 21, -32]);
    expect(x.isFreed).toBe(true);
    tape.reset();
    expect(y.isFreed && loss.isFreed).toBe(true);
  });

  it("releases what a scope made, but not what it returns or what backward needs", () => {
    let inside: Tensor[] = [];
    const y = tape.scope(() => {
      const x = input();
      const product = multiply(tape, weight, x); // saves x
      const doubled = scale(tape, product, 2); // saves nothing
      inside = [x, product, doubled];
      return relu(tape, doubled); // saves its output
    });
    expect(inside.map((tensor) => tensor.isFreed)).toEqual([false, true, true]);
    expect(y.isFreed).toBe(false);
    const [a, b] = tape.scope(() => [scale(tape, y, 1), scale(tape, y, 3)] as const);
    tape.backward(sum(tape, add(tape, a, b)));
    expect(numbers(weight.gradientToArray())).toEqual([40, 0, 56, 0]);
  });

  it("without gradients records nothing and frees at once what is released", () => {
    const chain = (layers: number): number =>
      tape.noGradient(() => {
        let x = tape.empty([1000]);
        let peak = 0;
        for (let i = 0; i < layers; i++) {
          const y = tape.scope(() => scale(tape, relu(tape, multiply(tape, x, x)), 2));
          tape.release(x);
          peak = Math.max(peak, backend.memory.usedWords);
          x = y;
        }
        tape.reset();
        return peak;
      });
    expect(chain(10)).toBe(chain(1));
    expect(tape.recording).toBe(true);
  });

  it("records again after an exception in noGradient", () => {
    expect(() =>
      tape.noGradient(() => {
        throw new Error("stop");
      }),
    ).toThrow("stop");
    expect(tape.recording).toBe(true);
  });

  it("leaks nothing when forward or backward throws and reset follows", () => {
    const kernel = new Parameter(backend, "kernel", [1, 1, 4, 4]);
    const words = backend.memory.usedWords;
    const failing = (where: "forward" | "backward"): void => {
      try {
        const y = conv2d(tape, tape.empty([1, 3, 3, 4]), kernel);
        const z = relu(tape, scale(tape, y, 3));
        if (where === "forward") add(tape, z, tape.empty([1]));
        const fuse = tape.record({
          output: tape.empty(z.shape),
          inputs: [z],
          saved: [z],
          backward: () => {
            z.gradientTarget();
            throw new Error("fuse");
          },
        });
        tape.backward(sum(tape, fuse));
      } finally {
        tape.reset();
      }
    };
    expect(() => failing("forward")).toThrow("summands of one shape");
    expect(() => failing("backward")).toThrow("fuse");
    tape.dispose(); // gives the scratch memory back, which the tape keeps for its next step
    kernel.freeGradient();
    expect(backend.memory.usedWords).toBe(words);
    kernel.dispose();
  });

  it("shares scratch memory between operations and lets it grow only", () => {
    const [a, b] = tape.scratch(100, 3) as [number, number];
    expect(b - a).toBe(112);
    const words = backend.memory.usedWords;
    expect(tape.scratch(50)).toEqual([a]);
    expect(backend.memory.usedWords).toBe(words);
    tape.scratch(1000);
    expect(backend.memory.usedWords).toBe(words + 1008 - 128);
  });

  it("gives scratch memory back with everything else, and takes it anew afterwards", () => {
    const words = backend.memory.usedWords;
    tape.scratch(100, 3);
    tape.dispose();
    expect(backend.memory.usedWords).toBe(words);
    tape.scratch(0);
    expect(backend.memory.usedWords).toBe(words);
    const [pointer] = tape.scratch(16) as [number];
    expect(backend.memory.usedWords).toBe(words + 16);
    backend.f32(pointer, 16).fill(1);
    tape.dispose();
    expect(backend.memory.usedWords).toBe(words);
  });
});
