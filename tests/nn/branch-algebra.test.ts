import { afterAll, describe, expect, it } from "vitest";
import { createBackend } from "#repvgg/backend/select.node.js";
import type { NamedArray } from "#repvgg/core/named-arrays.js";
import { f32, toFloat64 } from "#repvgg/core/named-arrays.js";
import { rngFor } from "#repvgg/core/rng.js";
import { BranchBlock } from "#repvgg/nn/blocks/branch-block.js";
import { architecture } from "#repvgg/nn/build-architecture.js";
import { blockCustomL2 } from "#repvgg/nn/custom-l2.js";
import { equivalentKernel } from "#repvgg/nn/equivalent-kernel.js";
import { initialState } from "#repvgg/nn/initialize.js";
import { createNetwork, type Network } from "#repvgg/nn/network.js";
import { repvgg } from "#repvgg/nn/repvgg.js";
import { fromChannelsLast, toChannelsLast } from "#repvgg/nn/weight-layout.js";
import { add } from "#repvgg/tensor/ops/add.js";
import { multiply } from "#repvgg/tensor/ops/multiply.js";
import { sum } from "#repvgg/tensor/ops/sum.js";
import { Tape } from "#repvgg/tensor/tape.js";
import type { Tensor } from "#repvgg/tensor/tensor.js";
import { expectRelative, oracleNets, oracleState } from "./oracles.js";

const backend = await createBackend({ threads: 1 });
afterAll(() => backend.dispose());

type Arrays = Map<string, Float64Array>;

/** A net of two blocks, the second with all branches that the options allow, with random BN statistics. */
function randomNet(options: { groups?: number; pointwise?: boolean; identity?: boolean }) {
  const { groups = 1, pointwise = true, identity = true } = options;
  const net = architecture({
    depths: [2],
    widths: [4, 8],
    strides: [1, 1],
    groups,
    classes: 2,
    branches: { pointwise, identity },
  });
  const rng = rngFor(5, "branch algebra");
  const state = new Map<string, NamedArray>();
  for (const [name, array] of initialState(net, "train", 2)) {
    const random = /running_var$|bn\.weight|identity\.weight/.test(name)
      ? () => rng.uniform(0.5, 2)
      : /bn\.bias|identity\.bias|running_mean/.test(name)
        ? () => rng.normal()
        : undefined;
    state.set(name, random ? f32(array.shape, Float32Array.from(array.data as Float32Array, random)) : array);
  }
  return { architecture: net, form: "train" as const, state };
}

function lastBlock(network: Network): BranchBlock {
  const block = network.blocks.at(-1)!;
  if (!(block instanceof BranchBlock)) throw new Error("not a training-form block");
  return block;
}

function doubles(state: ReadonlyMap<string, NamedArray>): Arrays {
  return new Map([...state].map(([name, array]) => [name, Float64Array.from(toFloat64(array))]));
}

/** The derivative of `f` by one element, by central differences in float64. */
function difference(arrays: Arrays, name: string, index: number, f: (arrays: Arrays) => number): number {
  const array = arrays.get(name)!;
  const value = array[index]!;
  const at = (x: number): number => {
    array[index] = x;
    const result = f(arrays);
    array[index] = value;
    return result;
  };
  return (at(value + 1e-5) - at(value - 1e-5)) / 2e-5;
}

const path = "stage1.1";
const channels = 8;

function factor(arrays: Arrays, norm: string, o: number): number {
  return arrays.get(`${norm}.weight`)![o]! / Math.sqrt(arrays.get(`${norm}.running_var`)![o]! + 1e-5);
}

/** get_custom_L2 by its formula, in float64; `fixed` are the values that t is taken from (it is detached). */
function naiveCustomL2(arrays: Arrays, fixed: Arrays): number {
  const k3 = arrays.get(`${path}.rbr_dense.conv.weight`)!;
  const k1 = arrays.get(`${path}.rbr_1x1.conv.weight`);
  const inputs = k3.length / (channels * 9);
  let sum = 0;
  for (let o = 0; o < channels; o++) {
    const t3 = factor(fixed, `${path}.rbr_dense.bn`, o);
    const t1 = k1 ? factor(fixed, `${path}.rbr_1x1.bn`, o) : 0;
    for (let i = 0; i < inputs; i++) {
      const at = (o * inputs + i) * 9;
      for (let tap = 0; tap < 9; tap++) if (tap !== 4) sum += k3[at + tap]! ** 2;
      sum += (k3[at + 4]! * t3 + (k1 ? k1[o * inputs + i]! * t1 : 0)) ** 2 / (t3 ** 2 + t1 ** 2);
    }
  }
  return sum;
}

/** Equations 3 and 4 in float64: kernel [O][I/groups][3][3], then bias [O]. */
function naiveEquivalent(arrays: Arrays): Float64Array {
  const k3 = arrays.get(`${path}.rbr_dense.conv.weight`)!;
  const k1 = arrays.get(`${path}.rbr_1x1.conv.weight`);
  const inputs = k3.length / (channels * 9);
  const result = new Float64Array(k3.length + channels);
  const addBias = (norm: string, o: number): void => {
    const mean = arrays.get(`${norm}.running_mean`)![o]!;
    result[k3.length + o]! += arrays.get(`${norm}.bias`)![o]! - mean * factor(arrays, norm, o);
  };
  for (let o = 0; o < channels; o++) {
    for (let i = 0; i < inputs; i++) {
      const at = (o * inputs + i) * 9;
      for (let tap = 0; tap < 9; tap++) result[at + tap] = k3[at + tap]! * factor(arrays, `${path}.rbr_dense.bn`, o);
      if (k1) result[at + 4]! += k1[o * inputs + i]! * factor(arrays, `${path}.rbr_1x1.bn`, o);
      if (arrays.has(`${path}.rbr_identity.weight`) && o % inputs === i) {
        result[at + 4]! += factor(arrays, `${path}.rbr_identity`, o);
      }
    }
    addBias(`${path}.rbr_dense.bn`, o);
    if (k1) addBias(`${path}.rbr_1x1.bn`, o);
    if (arrays.has(`${path}.rbr_identity.weight`)) addBias(`${path}.rbr_identity`, o);
  }
  return result;
}

/** Checks gradients of all of the last block's parameters against differences of `f`, at a few elements of each. */
function checkGradients(network: Network, arrays: Arrays, f: (arrays: Arrays) => number, constant: RegExp): void {
  for (const { name, tensor } of network.parameters()) {
    if (!name.startsWith(`${path}.`)) continue;
    const gradient = tensor.gradientToArray();
    if (constant.test(name)) {
      expect(gradient, name).toBeUndefined();
      continue;
    }
    const official = fromChannelsLast(gradient!, toOfficial(tensor.shape));
    const sample = [...official.keys()].filter((i) => i % 7 === 0 || official.length <= 64);
    const expected = sample.map((i) => difference(arrays, name, i, f));
    expectRelative(
      sample.map((i) => official[i]!),
      expected,
      1e-5,
      name,
    );
  }
}

function toOfficial(shape: readonly number[]): readonly number[] {
  if (shape.length !== 4) return shape.toReversed();
  const [height, width, inputs, outputs] = shape as [number, number, number, number];
  return [outputs, inputs, height, width];
}

const cases = [
  ["all branches", {}],
  ["groups", { groups: 4 }],
  ["without identity", { identity: false }],
  ["3×3 only", { pointwise: false, identity: false }],
] as const;

describe("custom L2", () => {
  it.each(cases)("value and gradient: %s", (_, options) => {
    const model = randomNet(options);
    const network = createNetwork(backend, model);
    const tape = new Tape(backend);
    const arrays = doubles(model.state);
    const fixed = doubles(model.state);
    const value = blockCustomL2(tape, lastBlock(network));
    expectRelative(value.toArray(), [naiveCustomL2(arrays, fixed)], 1e-6);
    tape.backward(value);
    checkGradients(network, arrays, (changed) => naiveCustomL2(changed, fixed), /bn\.|identity/);
    tape.dispose();
    network.dispose();
  });

  it("of a net is the sum over its blocks; the plain form has none", () => {
    const model = randomNet({});
    const network = createNetwork(backend, model);
    const tape = new Tape(backend);
    const blocks = network.blocks.map((block) => blockCustomL2(tape, block as BranchBlock).toArray()[0]!);
    expect(blocks).toHaveLength(3);
    expectRelative(network.customL2(tape).toArray(), [blocks.reduce((sum, value) => sum + value, 0)], 1e-6);
    tape.dispose();
    network.dispose();
    const plain = createNetwork(backend, {
      ...model,
      form: "plain",
      state: initialState(model.architecture, "plain", 0),
    });
    expect(() => plain.customL2(tape)).toThrow("the plain form");
    plain.dispose();
  });

  it("is for RepVGG's branches only", () => {
    const acb = createNetwork(backend, repvgg({ depths: [1], widths: [2, 2] }, { block: "acb" }));
    const tape = new Tape(backend);
    expect(() => acb.customL2(tape)).toThrow(
      "a net of RepVGG blocks in training form for custom L2, received blocks of kind acb",
    );
    acb.dispose();
  });

  it("counts nothing where both scales are zero", () => {
    const model = randomNet({});
    for (const branch of ["rbr_dense", "rbr_1x1"]) model.state.set(`${path}.${branch}.bn.weight`, f32([channels]));
    const network = createNetwork(backend, model);
    const tape = new Tape(backend);
    const kernel = toFloat64(model.state.get(`${path}.rbr_dense.conv.weight`)!);
    const circle = kernel.reduce((sum, value, i) => sum + (i % 9 === 4 ? 0 : value ** 2), 0);
    expectRelative(blockCustomL2(tape, lastBlock(network)).toArray(), [circle], 1e-5);
    tape.dispose();
    network.dispose();
  });
});

describe("equivalent kernel", () => {
  it.each(cases)("value and gradient: %s", (_, options) => {
    const model = randomNet(options);
    const network = createNetwork(backend, model);
    const tape = new Tape(backend);
    const arrays = doubles(model.state);
    const { kernel, bias } = equivalentKernel(tape, lastBlock(network));
    const expected = naiveEquivalent(arrays);
    const official = toOfficial(kernel.shape);
    expectRelative(fromChannelsLast(kernel.toArray(), official), expected.subarray(0, kernel.size), 1e-6, "kernel");
    expectRelative(bias.toArray(), expected.subarray(kernel.size), 1e-6, "bias");

    // Any function of both will do: Σ u·kernel + Σ v·bias with random u, v.
    const rng = rngFor(9, "upstream");
    const upstream = Float64Array.from(expected, () => rng.normal());
    const objective = (changed: Arrays) => naiveEquivalent(changed).reduce((sum, x, i) => sum + x * upstream[i]!, 0);
    const weights = Float32Array.from(upstream);
    const weighted = (tensor: Tensor, values: Float32Array) =>
      sum(tape, multiply(tape, tensor, tape.constant(tensor.shape, values)));
    tape.backward(
      add(
        tape,
        weighted(kernel, toChannelsLast(weights.subarray(0, kernel.size), official)),
        weighted(bias, weights.subarray(kernel.size)),
      ),
    );
    checkGradients(network, arrays, objective, /^$/);
    tape.dispose();
    network.dispose();
  });

  it("equals the authors' folded kernels", async () => {
    for (const name of ["tiny", "tiny-g4", "tiny-plus"]) {
      const state = await oracleState(name, "train");
      const network = createNetwork(backend, { architecture: oracleNets[name]!, form: "train", state });
      const plain = await oracleState(name, "plain");
      const tape = new Tape(backend);
      for (const block of network.blocks as BranchBlock[]) {
        const { kernel, bias } = equivalentKernel(tape, block);
        const expected = plain.get(`${block.layout.path}.rbr_reparam.weight`)!;
        expectRelative(fromChannelsLast(kernel.toArray(), expected.shape), toFloat64(expected), 1e-6);
        expectRelative(bias.toArray(), toFloat64(plain.get(`${block.layout.path}.rbr_reparam.bias`)!), 1e-6);
      }
      tape.dispose();
      network.dispose();
    }
  });
});
