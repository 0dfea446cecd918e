import { afterAll, describe, expect, it } from "vitest";
import { createBackend } from "#repvgg/backend/select.node.js";
import type { NamedArrays } from "#repvgg/core/named-arrays.js";
import { toFloat64 } from "#repvgg/core/named-arrays.js";
import { softTargets } from "#repvgg/data/augmentation/mixing.js";
import { createNetwork, type Network } from "#repvgg/nn/network.js";
import { fromChannelsLast } from "#repvgg/nn/weight-layout.js";
import { softmaxCrossEntropy } from "#repvgg/tensor/ops/softmax-cross-entropy.js";
import { Tape } from "#repvgg/tensor/tape.js";
import { expectRelative, oracleArrays, oracleNets, toNhwc } from "./oracles.js";

// Three SGD steps of the authors' net in float64 under PyTorch: lr 0.1, Nesterov momentum 0.9, weight decay 1e-2 on
// conv, linear and rbr_identity.weight, label smoothing 0.1, batches of 8.
const recipe = { lr: 0.1, momentum: 0.9, nesterov: 1, gradient_scale: 1 } as const;
const weightDecay = 1e-2;

const backend = await createBackend({ threads: 2 });
afterAll(() => backend.dispose());
const oracle = await oracleArrays("tiny-train-steps-f64.safetensors");

function prefixed(prefix: string): NamedArrays {
  return new Map(
    [...oracle].filter(([name]) => name.startsWith(prefix)).map(([name, array]) => [name.slice(prefix.length), array]),
  );
}

interface Step {
  readonly loss: number;
  readonly logits: Float32Array;
  readonly gradients: ReadonlyMap<string, Float32Array>;
}

/** Forward, backward and one update; velocities are kept by name. */
function sgdStep(network: Network, tape: Tape, velocities: Map<string, number>, step: number): Step {
  const { shape, data } = toNhwc(oracle.get(`step${step}.input`)!);
  const labels = Int32Array.from(toFloat64(oracle.get(`step${step}.labels`)!));
  for (const { tensor } of network.parameters()) tensor.clearGradient();
  const { logits } = network.forward(tape, tape.constant(shape, data), { training: true });
  const targets = tape.constant([labels.length, 10], softTargets(labels, 10, 0.1));
  const values = logits.toArray();
  const loss = softmaxCrossEntropy(tape, logits, targets);
  tape.backward(loss);
  const value = loss.toArray()[0]!;
  tape.reset();
  const gradients = new Map<string, Float32Array>();
  for (const { name, tensor, decay } of network.parameters()) {
    gradients.set(name, tensor.gradientToArray()!);
    const velocity = velocities.get(name) ?? backend.allocate(tensor.size);
    if (!velocities.has(name)) backend.f32(velocity, tensor.size).fill(0);
    velocities.set(name, velocity);
    const { pointer: parameter, gradient, size: n } = tensor;
    backend.run([
      {
        kernel: "sgd_step",
        args: { parameter, gradient, velocity, n, weight_decay: decay ? weightDecay : 0, ...recipe },
      },
    ]);
  }
  return { loss: value, logits: values, gradients };
}

describe("three SGD steps of the authors' net in float64", () => {
  const before = backend.memory.usedWords;
  const network = createNetwork(backend, { architecture: oracleNets.tiny!, form: "train", state: prefixed("init.") });
  const tape = new Tape(backend);
  const velocities = new Map<string, number>();
  const steps = [0, 1, 2].map((step) => sgdStep(network, tape, velocities, step));
  const after = network.state();
  for (const velocity of velocities.values()) backend.free(velocity);
  tape.dispose();
  network.dispose();

  it.each([0, 1, 2])("loss and logits of step %i", (step) => {
    expectRelative([steps[step]!.loss], toFloat64(oracle.get(`step${step}.loss`)!), 1e-4, "loss");
    expectRelative(steps[step]!.logits, toFloat64(oracle.get(`step${step}.logits`)!), 1e-4, "logits");
  });

  it("gradients of step 0", () => {
    const expected = prefixed("grad0.");
    expect(new Set(steps[0]!.gradients.keys())).toEqual(new Set(expected.keys()));
    for (const [name, array] of expected) {
      const gradient = fromChannelsLast(steps[0]!.gradients.get(name)!, array.shape);
      expectRelative(gradient, toFloat64(array), 1e-4, name);
    }
  });

  it("parameters, BN statistics and counters after three steps", () => {
    const expected = prefixed("after3.");
    expect(new Set(after.keys())).toEqual(new Set(expected.keys()));
    for (const [name, array] of expected) {
      expectRelative(toFloat64(after.get(name)!), toFloat64(array), 1e-4, name);
    }
  });

  it("leaves no memory behind", () => {
    expect(backend.memory.usedWords).toBe(before);
  });
});
