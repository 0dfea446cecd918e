import { afterAll, describe, expect, it } from "vitest";
import { createBackend } from "#repvgg/backend/select.node.js";
import { ShapeError, UserError } from "#repvgg/core/errors.js";
import { f32, toFloat64 } from "#repvgg/core/named-arrays.js";
import { rngFor } from "#repvgg/core/rng.js";
import { softTargets } from "#repvgg/data/augmentation/mixing.js";
import { createNetwork } from "#repvgg/nn/network.js";
import { repvgg } from "#repvgg/nn/repvgg.js";
import { stateSchema } from "#repvgg/nn/state-schema.js";
import { fromChannelsLast, toChannelsLast } from "#repvgg/nn/weight-layout.js";
import { softmaxCrossEntropy } from "#repvgg/tensor/ops/softmax-cross-entropy.js";
import { Tape } from "#repvgg/tensor/tape.js";

const backends = [await createBackend({ threads: 1 }), await createBackend({ threads: 2 })] as const;
afterAll(() => backends.forEach((backend) => void backend.dispose()));
const backend = backends[0];

const small = { depths: [1, 1, 2, 1], widths: [4, 4, 8, 8, 16], strides: [1, 2, 1, 2, 1], classes: 3 };
const pictures = 6;
const rng = rngFor(1, "network test");
const input = Float32Array.from({ length: pictures * 8 * 8 * 3 }, () => rng.normal());
const labels = Int32Array.of(0, 1, 2, 0, 1, 2);

/** One training step's loss and gradients, and the state that BN leaves. */
function backward(model: ReturnType<typeof repvgg>, threads: 1 | 2 = 1) {
  const network = createNetwork(backends[threads - 1]!, model);
  const tape = new Tape(backends[threads - 1]!);
  const { logits, auxiliary } = network.forward(tape, tape.constant([pictures, 8, 8, 3], input), { training: true });
  const targets = tape.constant([pictures, 3], softTargets(labels, 3));
  const losses = [logits, ...auxiliary].map((tensor) => softmaxCrossEntropy(tape, tensor, targets));
  for (const loss of losses) tape.keep(loss);
  tape.backward(losses[0]!);
  const result = {
    loss: losses[0]!.toArray()[0]!,
    gradients: new Map(network.parameters().map(({ name, tensor }) => [name, tensor.gradientToArray()])),
    state: network.state(),
    auxiliary: auxiliary.length,
  };
  tape.dispose();
  network.dispose();
  return result;
}

describe.each([
  ["training form", {}],
  ["plain form", { form: "plain" as const }],
  ["no branches but 3×3", { branches: { pointwise: false, identity: false } }],
  ["identity without BN", { block: "identity-without-bn" as const }],
  ["BN after the sum", { block: "post-addition-bn" as const }],
  ["ReLU in branches", { block: "relu-in-branches" as const }],
  ["DiracNet's kernels", { block: "dirac" as const }],
  ["W + I", { block: "trivial" as const }],
  ["ACB", { block: "acb" as const }],
  ["groups and SE before ReLU", { groups: 2, squeezeExcite: { position: "before-relu" as const, ratio: 2 } }],
  [
    "plain with SE after ReLU",
    { form: "plain" as const, squeezeExcite: { position: "after-relu" as const, ratio: 2 } },
  ],
])("gradients of a network: %s", (_, options) => {
  const model = repvgg(small, options);
  const result = backward(model);

  it("reach every parameter and are the loss's slope", () => {
    // A step of −ε·g must lower the loss by ε·|g|². The loss is float32, so ε is not tiny.
    const norm = [...result.gradients.values()].reduce((sum, g) => sum + g!.reduce((s, x) => s + x * x, 0), 0);
    for (const [name, gradient] of result.gradients)
      expect(
        gradient!.some((x) => x !== 0),
        name,
      ).toBe(true);
    const moved = (epsilon: number) => {
      const state = new Map(model.state);
      for (const [name, gradient] of result.gradients) {
        const array = model.state.get(name)!;
        const slope = fromChannelsLast(gradient!, array.shape);
        const values = Float32Array.from(toFloat64(array), (value, i) => value - epsilon * slope[i]!);
        state.set(name, f32(array.shape, values));
      }
      return backward({ ...model, state }).loss;
    };
    const epsilon = 2e-3 / Math.sqrt(norm);
    const slope = (moved(-epsilon) - moved(epsilon)) / (2 * epsilon);
    expect(Math.abs(slope - norm) / norm).toBeLessThan(2e-2);
  });

  it("are the same bits on 1 and 2 threads", () => {
    const other = backward(model, 2);
    expect(other.loss).toBe(result.loss);
    expect(other.gradients).toEqual(result.gradients);
    expect(other.state).toEqual(result.state);
  });
});

describe("a network", () => {
  it("lists parameters and buffers in the schema's order, with the decay rule", () => {
    const model = repvgg(small);
    const network = createNetwork(backend, model);
    const schema = [...stateSchema(model.architecture, "train").values()];
    expect(network.parameters().map(({ name, decay }) => [name, decay])).toEqual(
      schema.filter((entry) => entry.trainable).map((entry) => [entry.name, entry.decay]),
    );
    expect(network.buffers().map(({ name }) => name)).toEqual(
      schema.filter((entry) => /running_(mean|var)$/.test(entry.name)).map((entry) => entry.name),
    );
    network.dispose();
  });

  it("runs auxiliary heads in training only", () => {
    const plus = repvgg({ ...small, family: "repvggplus" });
    expect(backward(plus).auxiliary).toBe(3);
    const network = createNetwork(backend, plus);
    const tape = new Tape(backend);
    const x = tape.constant([pictures, 8, 8, 3], input);
    expect(network.forward(tape, x, { training: false }).auxiliary).toHaveLength(0);
    expect(network.forward(tape, x, { training: true, auxiliary: false }).auxiliary).toHaveLength(0);
    tape.dispose();
    network.dispose();
  });

  it("updates BN statistics in training, and only then", () => {
    const model = repvgg(small);
    const counter = "stage1.0.rbr_dense.bn.num_batches_tracked";
    expect(backward(model).state.get(counter)!.data[0]).toBe(1n);
    const network = createNetwork(backend, model);
    const tape = new Tape(backend);
    network.forward(tape, tape.constant([pictures, 8, 8, 3], input), { training: false });
    expect(network.state()).toEqual(model.state);
    tape.dispose();
    network.dispose();
  });

  it("keeps the caller's input and frees its own activations", () => {
    const network = createNetwork(backend, repvgg(small));
    const tape = new Tape(backend);
    const x = tape.constant([pictures, 8, 8, 3], input);
    const before = backend.memory.usedWords;
    const { logits } = tape.noGradient(() => network.forward(tape, x, { training: false }));
    const scratch = backend.memory.usedWords - before;
    tape.noGradient(() => network.forward(tape, x, { training: false }));
    expect(backend.memory.usedWords - before).toBe(scratch + 32); // one more logits tensor, aligned
    expect(x.toArray()).toEqual(input);
    expect(logits.shape).toEqual([pictures, 3]);
    tape.dispose();
    network.dispose();
  });

  it("loads a state, and nothing of a wrong one", () => {
    const network = createNetwork(backend, repvgg(small, { seed: 1 }));
    const other = repvgg(small, { seed: 2 }).state;
    network.loadState(other);
    expect(network.state()).toEqual(other);
    const wrong = new Map(repvgg(small, { seed: 3 }).state).set("linear.bias", f32([4]));
    expect(() => network.loadState(wrong)).toThrow(UserError);
    expect(network.state()).toEqual(other);
    network.dispose();
  });

  it("refuses inputs of other channels", () => {
    const network = createNetwork(backend, repvgg(small));
    const tape = new Tape(backend);
    expect(() => network.forward(tape, tape.constant([1, 8, 8, 1], new Float32Array(64)), { training: false })).toThrow(
      ShapeError,
    );
    tape.dispose();
    network.dispose();
  });
});

describe("weight layout", () => {
  it("turns [O,I,kh,kw] into [kh][kw][I][O] and back", () => {
    const data = Float32Array.from({ length: 12 }, (_, i) => i); // O = 2, I = 3, 1×2
    const inside = toChannelsLast(data, [2, 3, 1, 2]);
    expect([...inside]).toEqual([0, 6, 2, 8, 4, 10, 1, 7, 3, 9, 5, 11]);
    expect(fromChannelsLast(inside, [2, 3, 1, 2])).toEqual(data);
  });
});
