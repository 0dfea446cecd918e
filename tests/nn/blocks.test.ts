import { afterAll, describe, expect, it } from "vitest";
import { createBackend } from "#repvgg/backend/select.node.js";
import { f32, type NamedArray, type NamedArrays, toFloat64 } from "#repvgg/core/named-arrays.js";
import { rngFor } from "#repvgg/core/rng.js";
import { fold as foldGraph } from "#repvgg/graph/fold.js";
import { evaluate } from "#repvgg/graph/evaluate/evaluate.js";
import { fold, foldNet, netOf, UserError } from "#repvgg/index.js";
import type { BlockKind } from "#repvgg/nn/architecture.js";
import { blockDefinition, blockKinds } from "#repvgg/nn/blocks/registry.js";
import { architecture } from "#repvgg/nn/build-architecture.js";
import { type BlockLayout, blockLayouts } from "#repvgg/nn/layout.js";
import { decodeModel, encodeModel } from "#repvgg/nn/model-file.js";
import { createNetwork } from "#repvgg/nn/network.js";
import { type RepvggOptions, repvgg } from "#repvgg/nn/repvgg.js";
import { stateSchema } from "#repvgg/nn/state-schema.js";
import { toGraph } from "#repvgg/nn/to-graph.js";
import { toChannelsLast } from "#repvgg/nn/weight-layout.js";
import { softmaxCrossEntropy } from "#repvgg/tensor/ops/softmax-cross-entropy.js";
import { Tape } from "#repvgg/tensor/tape.js";
import * as naive from "../tensor/naive.js";
import { expectRelative } from "./oracles.js";

const backend = await createBackend({ threads: 1 });
afterAll(() => backend.dispose());

/** Stage 0 changes channels, stage1.0 has an identity, stage2.0 stride and channels, stage2.1 an identity. */
const base = { depths: [1, 2], widths: [4, 4, 8], strides: [1, 1, 2], classes: 3, inputChannels: 3 as const };
const foldable = blockKinds.filter((kind) => blockDefinition(kind).unfoldable === undefined);

/** A number of its own for every BatchNorm of such a net, each far from the default. */
function ownEpsilons(kind: BlockKind): Record<string, number> {
  const norms = [...stateSchema(architecture({ ...base, block: kind }), "train").values()].filter(
    ({ kind: part }) => part === "bn-var",
  );
  return Object.fromEntries(norms.map(({ name }, i) => [name.slice(0, -".running_var".length), 0.1 * (i + 1)]));
}

/** A net whose BatchNorm statistics and factors are anything but the initial ones. */
function randomNet(kind: BlockKind, more: RepvggOptions = {}) {
  const net = repvgg(base, { block: kind, seed: 3, inputSize: 6, ...more });
  const rng = rngFor(1, "blocks", kind);
  const state = new Map<string, NamedArray>();
  for (const { name, kind: part, shape } of stateSchema(net.architecture, "train").values()) {
    const array = net.state.get(name)!;
    const draw: Partial<Record<typeof part, () => number>> = {
      "bn-weight": () => rng.uniform(0.5, 2),
      "bn-bias": () => rng.normal(),
      "bn-mean": () => rng.normal(),
      "bn-var": () => rng.uniform(0.5, 2),
      scale: () => rng.uniform(0.5, 2),
    };
    const random = draw[part];
    state.set(name, random ? f32(shape, Float32Array.from({ length: array.data.length }, random)) : array);
  }
  return { ...net, state };
}

// ---- naive compositions, in float64, written from the paper's words and from nothing of ours ----

interface Place {
  readonly state: NamedArrays;
  readonly layout: BlockLayout;
  readonly training: boolean;
  readonly epsilons: Readonly<Record<string, number>>;
}

/** [O,I,kh,kw] as [kh,kw,I,O] */
function kernelOf(state: NamedArrays, name: string) {
  const { shape } = state.get(name)!;
  const [o, i, h, w] = shape as [number, number, number, number];
  const values = Float64Array.from(toChannelsLast(Float32Array.from(toFloat64(state.get(name)!)), shape));
  return { shape: [h, w, i, o] as [number, number, number, number], values };
}

const vector = (state: NamedArrays, name: string): Float64Array => Float64Array.from(toFloat64(state.get(name)!));

function normalize(x: Float64Array, { state, training, epsilons }: Place, path: string): Float64Array {
  const [gamma, beta] = [vector(state, `${path}.weight`), vector(state, `${path}.bias`)];
  const running = { mean: vector(state, `${path}.running_mean`), variance: vector(state, `${path}.running_var`) };
  return naive.batchNorm(x, { gamma, beta, eps: epsilons[path] ?? 1e-5, ...(!training && { running }) });
}

type Kernel = ReturnType<typeof kernelOf>;

function convolve(x: Float64Array, shape: readonly number[], { values, shape: weight }: Kernel, { layout }: Place) {
  const [h, w] = weight;
  const options = { stride: [layout.stride, layout.stride] as const, groups: layout.groups };
  return naive.conv2d(x, values, undefined, { x: shape, weight, ...options, padding: [(h - 1) / 2, (w - 1) / 2] });
}

/** The kernel plus α at the place that hands input channel o mod I to output channel o. */
function plusDirac({ values, shape }: Kernel, alpha: (o: number) => number): Kernel {
  const [, , inputs, outputs] = shape;
  const sum = values.slice();
  for (let o = 0; o < outputs; o++) sum[(4 * inputs + (o % inputs)) * outputs + o]! += alpha(o);
  return { values: sum, shape };
}

/** What a block of each kind computes before its ReLU; x is [shape]. */
const compositions: Record<BlockKind, (x: Float64Array, shape: readonly number[], at: Place) => Float64Array> = {
  repvgg: (x, shape, at) => naive.add(...normalizedBranches(x, shape, at)),
  "identity-without-bn": (x, shape, at) => {
    const { path, identity } = at.layout;
    const branch = (name: string) =>
      normalize(convolve(x, shape, kernelOf(at.state, `${path}.${name}.conv.weight`), at), at, `${path}.${name}.bn`);
    return naive.add(branch("rbr_dense"), branch("rbr_1x1"), ...(identity ? [x] : []));
  },
  "post-addition-bn": (x, shape, at) => {
    const { path, identity } = at.layout;
    const branch = (name: string) => convolve(x, shape, kernelOf(at.state, `${path}.${name}.conv.weight`), at);
    return normalize(naive.add(branch("rbr_dense"), branch("rbr_1x1"), ...(identity ? [x] : [])), at, `${path}.bn`);
  },
  "relu-in-branches": (x, shape, at) => naive.add(...normalizedBranches(x, shape, at).map(naive.relu)),
  dirac: (x, shape, at) => {
    const { path } = at.layout;
    const weight = kernelOf(at.state, `${path}.conv.weight`);
    const outputs = weight.shape[3];
    const [alpha, beta] = [vector(at.state, `${path}.alpha`), vector(at.state, `${path}.beta`)];
    const norms = new Float64Array(outputs);
    weight.values.forEach((value, i) => {
      norms[i % outputs]! += value * value;
    });
    const scaled = weight.values.map((value, i) => (beta[i % outputs]! * value) / Math.sqrt(norms[i % outputs]!));
    const kernel = plusDirac({ ...weight, values: scaled }, (o) => alpha[o]!);
    return normalize(convolve(x, shape, kernel, at), at, `${path}.bn`);
  },
  trivial: (x, shape, at) => {
    const { path } = at.layout;
    const kernel = plusDirac(kernelOf(at.state, `${path}.conv.weight`), () => 1);
    return normalize(convolve(x, shape, kernel, at), at, `${path}.bn`);
  },
  qarepvgg: (x, shape, at) => {
    const { path, identity } = at.layout;
    const dense = convolve(x, shape, kernelOf(at.state, `${path}.rbr_dense.conv.weight`), at);
    const pointwise = convolve(x, shape, kernelOf(at.state, `${path}.rbr_1x1.weight`), at);
    const sum = naive.add(normalize(dense, at, `${path}.rbr_dense.bn`), pointwise, ...(identity ? [x] : []));
    return normalize(sum, at, `${path}.bn`);
  },
  "qarepvgg-v1": (x, shape, at) =>
    normalize(naive.add(...normalizedBranches(x, shape, at)), at, `${at.layout.path}.bn`),
  acb: (x, shape, at) => {
    const { path } = at.layout;
    const branches = ["square", "ver", "hor"].map((name) =>
      normalize(convolve(x, shape, kernelOf(at.state, `${path}.${name}_conv.weight`), at), at, `${path}.${name}_bn`),
    );
    return naive.add(...branches);
  },
};

function normalizedBranches(x: Float64Array, shape: readonly number[], at: Place): Float64Array[] {
  const { path, identity } = at.layout;
  const branches = ["rbr_dense", "rbr_1x1"].map((name) =>
    normalize(convolve(x, shape, kernelOf(at.state, `${path}.${name}.conv.weight`), at), at, `${path}.${name}.bn`),
  );
  return identity ? [...branches, normalize(x, at, `${path}.rbr_identity`)] : branches;
}

const batch = 3;
const side = 6;
const picture = Float32Array.from(
  { length: batch * side * side * 3 },
  (() => {
    const rng = rngFor(2, "blocks");
    return () => rng.normal();
  })(),
);

describe.each(blockKinds)("blocks of kind %s", (kind) => {
  it.each([
    ["one group", {}],
    ["two groups", { groups: 2 }],
    ["an ε of its own for each BatchNorm", { batchNormEpsilon: ownEpsilons(kind) }],
  ])("are what their naive composition is, in training and in inference: %s", (_, more: RepvggOptions) => {
    const model = randomNet(kind, more);
    const epsilons = (more.batchNormEpsilon ?? {}) as Record<string, number>;
    const layouts = blockLayouts(model.architecture);
    for (const training of [true, false]) {
      const network = createNetwork(backend, model);
      const tape = new Tape(backend);
      let x = tape.constant([batch, side, side, 3], picture);
      let expected: naive.Values = Float64Array.from(picture);
      network.blocks.forEach((block, i) => {
        const shape = x.shape;
        x = block.forward(tape, x, { training });
        expected = naive.relu(
          compositions[kind](expected, shape, { state: model.state, layout: layouts[i]!, training, epsilons }),
        );
        expectRelative(x.toArray(), expected, 1e-5, `${layouts[i]!.path}, training ${training}`);
      });
      tape.dispose();
      network.dispose();
    }
  });

  it("give the same logits on the tape and as a graph, and once more out of a model file", () => {
    const model = randomNet(kind, {
      squeezeExcite: { position: "before-relu", ratio: 2 },
      batchNormEpsilon: ownEpsilons(kind),
    });
    const network = createNetwork(backend, model);
    const tape = new Tape(backend);
    const x = tape.constant([batch, side, side, 3], picture);
    const logits = network.forward(tape, x, { training: false }).logits.toArray();
    tape.dispose();
    network.dispose();
    const { arrays, metadata } = encodeModel(model);
    const read = decodeModel(arrays, metadata, "a file");
    expect(read.architecture.block.kind).toBe(kind);
    expectRelative(evaluate(toGraph(read), new Map([["input", nchw()]])).get("logits")!.data, logits, 1e-5);
  });

  it("list their weights as they use them", () => {
    const { architecture: net, state } = randomNet(kind);
    expect([...state.keys()]).toEqual([...stateSchema(net, "train").keys()]);
    const decayed = [...stateSchema(net, "train").values()].filter(({ decay }) => decay).map(({ name }) => name);
    for (const name of decayed)
      expect(name).toMatch(/conv\.weight$|rbr_1x1\.weight$|rbr_identity\.weight$|^linear\.weight$/);
  });
});

describe.each(foldable)("fold of %s", (kind) => {
  it.each([
    ["one group", {}],
    ["two groups", { groups: 2 }],
    ["SE after ReLU", { squeezeExcite: { position: "after-relu" as const, ratio: 2 } }],
    ["an ε of its own for each BatchNorm", { batchNormEpsilon: ownEpsilons(kind) }],
  ])("leaves one convolution a block, with the same outputs: %s", (_, more) => {
    const model = randomNet(kind, more);
    const plain = fold(model);
    const blocks = blockLayouts(model.architecture).length;
    const own = (graph: ReturnType<typeof toGraph>) => graph.nodes.filter(({ name }) => !/\.(se|post_se)\./.test(name));
    const nodes = own(foldGraph(toGraph(model)).graph);
    expect(nodes.filter(({ op }) => op === "Conv")).toHaveLength(blocks);
    expect(nodes).toHaveLength(2 * blocks + 3); // Conv and Relu of each; pool, flatten and the classifier
    expect([...plain.state.keys()]).toEqual([...stateSchema(model.architecture, "plain").keys()]);
    const input = new Map([["input", nchw()]]);
    const before = evaluate(toGraph(model), input).get("logits")!.data;
    expectRelative(evaluate(toGraph(plain), input).get("logits")!.data, before, 1e-4);
  });
});

describe("nets whose layers differ", () => {
  const layers = { 1: { width: 5, pointwise: false }, 2: { width: 5, folded: true }, 3: { identity: false } } as const;
  const model = randomNet("repvgg", {
    depths: [2, 1],
    strides: [1, 1, 1],
    layers,
    batchNormEpsilon: ownEpsilons("repvgg"),
  });

  it("compute the same on the tape, as a graph and folded, and train", () => {
    expect([...model.state.keys()].filter((name) => name.startsWith("stage1.1"))).toEqual([
      "stage1.1.rbr_reparam.weight",
      "stage1.1.rbr_reparam.bias",
    ]);
    const network = createNetwork(backend, model);
    const tape = new Tape(backend);
    const x = tape.constant([batch, side, side, 3], picture);
    const { logits } = network.forward(tape, x, { training: false });
    const input = new Map([["input", nchw()]]);
    expectRelative(evaluate(toGraph(model), input).get("logits")!.data, logits.toArray(), 1e-5);
    const plain = fold(model);
    expect([...plain.state.keys()]).toEqual([...stateSchema(model.architecture, "plain").keys()]);
    expectRelative(evaluate(toGraph(plain), input).get("logits")!.data, logits.toArray(), 1e-4);
    tape.reset();
    const again = network.forward(tape, tape.constant([batch, side, side, 3], picture), { training: true });
    const targets = tape.constant(
      [batch, 3],
      Float32Array.from({ length: 3 * batch }, (_, i) => (i % 4 === 0 ? 1 : 0)),
    );
    tape.backward(softmaxCrossEntropy(tape, again.logits, targets));
    for (const { name, tensor } of network.parameters()) {
      expect(
        tensor.gradientToArray()!.some((value) => value !== 0),
        name,
      ).toBe(true);
    }
    tape.dispose();
    network.dispose();
  });
});

describe("blocks with a ReLU in each branch", () => {
  const model = randomNet("relu-in-branches");

  it("are refused by the fold, with the reason", () => {
    expect(() => fold(model)).toThrow(UserError);
    expect(() => fold(model)).toThrow(/blocks of kind relu-in-branches: a ReLU stands in each branch, before the sum/);
  });

  it("lose only BatchNorm as a graph of unknown origin", () => {
    const { graph } = netOf(model);
    const { net, report } = foldNet({ graph, source: { format: "onnx", notes: [] } });
    expect(report.regions.length).toBeGreaterThan(0);
    const input = new Map([["input", nchw()]]);
    expectRelative(evaluate(net.graph, input).get("logits")!.data, evaluate(graph, input).get("logits")!.data, 1e-4);
    expect(net.graph.nodes.filter(({ op }) => op === "Relu").length).toBeGreaterThan(
      model.architecture.depths.length + 3,
    );
  });
});

describe("the kind of blocks in an architecture", () => {
  it("comes with its branches", () => {
    const block = (kind: BlockKind, branches = {}) => architecture({ ...base, block: kind, branches }).block;
    expect(block("acb")).toEqual({ kind: "acb", pointwise: false, identity: false });
    expect(block("identity-without-bn", { pointwise: false })).toEqual({
      kind: "identity-without-bn",
      pointwise: false,
      identity: true,
    });
    expect(block("post-addition-bn", { identity: false }).identity).toBe(false);
  });

  it.each([
    [{ block: "abc" }, /a kind of block \(repvgg, .*\), received "abc": did you mean "acb"/],
    [{ block: "acb", branches: { pointwise: true } }, /block.pointwise: false, which blocks of kind acb never have/],
    [
      { block: "identity-without-bn", branches: { identity: false } },
      /block.identity: true, which blocks of kind identity-without-bn always have/,
    ],
  ])("is checked: %j", (more, message) => {
    expect(() => architecture({ ...base, ...more } as never)).toThrow(UserError);
    expect(() => architecture({ ...base, ...more } as never)).toThrow(message);
  });
});

/** The pictures as a graph wants them. */
function nchw(): NamedArray {
  const data = new Float32Array(picture.length);
  picture.forEach((value, i) => {
    const [channel, pixel] = [i % 3, Math.floor(i / 3)];
    const [n, at] = [Math.floor(pixel / (side * side)), pixel % (side * side)];
    data[(n * 3 + channel) * side * side + at] = value;
  });
  return f32([batch, 3, side, side], data);
}
