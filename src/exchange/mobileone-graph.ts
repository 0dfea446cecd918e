import { nearest, UserError } from "../core/errors.js";
import type { NamedArray, NamedArrays } from "../core/named-arrays.js";
import { quoted } from "../formats/array-bytes.js";
import { float, int } from "../graph/attributes.js";
import { convAttributes, GraphBuilder, valueInfo } from "../graph/build.js";
import type { Graph } from "../graph/graph.js";
import { type Architecture, epsilonOf, type Form } from "../nn/architecture.js";
import { some } from "./sentences.js";

/**
 * MobileOne (Vasu et al., arXiv:2206.04040) as a graph, built from the names (Apple's) and shapes of its weights alone:
 * `input` [batch, C, height, width] → `logits` [batch, classes].
 *
 * Blocks alternate between depthwise 3×3 and pointwise 1×1. In training form a block sums k branches convolution+BN
 * (`rbr_conv.0`, …), for 3×3 a 1×1 scale branch (`rbr_scale`), and a BN on the input where shapes allow (`rbr_skip`);
 * then SE where there is one, then ReLU. The first block of every stage has stride 2, unless a skip branch shows otherwise.
 * Some blocks may be folded already. Without a classifier, the net returns the map of its last block.
 * The value before SE and ReLU is `<block>.reparam_conv`: folded, the graph has the plain form's weights by name.
 *
 * @returns the graph, its form, the counters of its BatchNorms, names that it has no place for, in sentences what was assumed, and
 * paths of folded convolutions that stand beside branches, which count.
 * @throws UserError when weights are missing or do not fit together.
 */
export function mobileOneGraph(weights: NamedArrays, options: MobileOneOptions = {}): MobileOneNet {
  const paths = blockPaths(weights);
  const folded = new Set(paths.filter((path) => isFolded(weights, path)));
  const form: Form = folded.size === paths.length ? "plain" : "train";
  const net = new NetBuilder(weights, options);
  let x = "input";
  let channels = net.shape(`${mainConv("stage0", folded.has("stage0"))}.weight`, 4)[1]!;
  const inputChannels = channels;
  const firstStrides: number[] = [];
  for (const path of paths) {
    const plain = folded.has(path);
    const stride = strideOf(weights, path, plain, options);
    if (isFirst(path)) firstStrides.push(stride);
    ({ output: x, channels } = addBlock(net, path, plain, { input: x, channels, stride }));
  }
  const outputs = weights.has("linear.weight")
    ? [valueInfo("logits", ["batch", addClassifier(net, x, channels)])]
    : [valueInfo(x, ["batch", channels, `${x}.height`, `${x}.width`])];
  const graph = net.graph("MobileOne", [valueInfo("input", ["batch", inputChannels, "height", "width"])], outputs);
  const placeholders = paths
    .filter((path) => !folded.has(path) && weights.has(`${path}.reparam_conv.weight`))
    .map((path) => `${path}.reparam_conv`);
  const counters = new Map([...weights].filter(([name]) => net.isCounter(name)));
  const beside = new Set(placeholders.flatMap((path) => [`${path}.weight`, `${path}.bias`]));
  const leftOver = net.unused().filter((name) => !beside.has(name));
  const notes: string[] = [];
  const stated = options.strides ?? options.stride?.(`${mainConv("stage0", folded.has("stage0"))}.weight`, 3);
  if (stated === undefined) {
    notes.push(`weights do not show strides: assumed ${firstStrides.join(", ")} (first block of each stage)`);
  }
  if (form === "train" && folded.size > 0)
    notes.push(`${some([...folded])}: folded already, the other blocks have their branches`);
  if (!weights.has("linear.weight")) {
    notes.push(`no classifier (linear.weight): the net is a backbone, which returns the map ${x}`);
  }
  return { graph, form, counters, leftOver, notes, placeholders };
}

/** What the weights alone do not say. */
export interface MobileOneOptions extends Pick<Architecture, "batchNormEpsilon"> {
  /** The stride of a convolution, where it is known. @param name of its weight @param kernel its side */
  readonly stride?: (name: string, kernel: number) => number | undefined;
  /** Strides of the first block of [stage 0, stage 1, …], where the weights do not show them. */
  readonly strides?: readonly number[] | undefined;
  /** Names that no MobileOne has: one of them may be a missing one, misspelt. */
  readonly unmatched?: readonly string[];
}

export interface MobileOneNet {
  readonly graph: Graph;
  readonly form: Form;
  readonly counters: NamedArrays;
  readonly leftOver: readonly string[];
  readonly notes: readonly string[];
  readonly placeholders: readonly string[];
}

/** Whether a block has its folded convolution alone. */
function isFolded(weights: NamedArrays, path: string): boolean {
  return weights.has(`${path}.reparam_conv.weight`) && !weights.has(`${mainConv(path, false)}.weight`);
}

function strideOf(weights: NamedArrays, path: string, plain: boolean, { stride, strides }: MobileOneOptions): number {
  const name = `${mainConv(path, plain)}.weight`;
  const stated = stride?.(name, weights.get(name)?.shape[2] ?? 1);
  if (stated !== undefined) return stated;
  if (!isFirst(path) || weights.has(`${path}.rbr_skip.weight`)) return 1;
  return strides?.[Number(/^stage(\d+)/.exec(path)![1])] ?? 2;
}

function isFirst(path: string): boolean {
  return /^stage0$|\.0$/.test(path);
}

/** @returns the number of classes */
function addClassifier(net: NetBuilder, input: string, channels: number): number {
  const [classes, features] = net.shape("linear.weight", 2);
  if (features !== channels) net.unfit("linear.weight", `${channels} input channels`);
  const pooled = net.add("GlobalAveragePool", "gap", [input]);
  const x = net.add("Flatten", "flatten", [pooled], { axis: int(1) });
  net.add("Gemm", "logits", [x, net.weight("linear.weight", 2), net.weight("linear.bias", 1)], { transB: int(1) });
  return classes!;
}

interface Place {
  readonly input: string;
  readonly channels: number;
  readonly stride: number;
}

function addBlock(net: NetBuilder, path: string, plain: boolean, place: Place): { output: string; channels: number } {
  const channels = net.shape(`${mainConv(path, plain)}.weight`, 4)[0]!;
  const sum = `${path}.reparam_conv`;
  if (plain) net.conv(sum, place, { bias: true });
  else addBranches(net, path, place, sum);
  let x = sum;
  if (net.has(`${path}.se.reduce.weight`)) x = addSqueezeExcite(net, `${path}.se`, x, channels);
  return { output: net.add("Relu", `${path}.activation`, [x]), channels };
}

function addBranches(net: NetBuilder, path: string, place: Place, output: string): void {
  const branches: ((name?: string) => string)[] = [];
  const convolution = (branch: string): void => {
    branches.push((name) => net.batchNorm(`${branch}.bn`, net.conv(`${branch}.conv`, place, { bias: false }), name));
  };
  for (let k = 0; net.has(`${path}.rbr_conv.${k}.conv.weight`); k++) convolution(`${path}.rbr_conv.${k}`);
  if (net.has(`${path}.rbr_scale.conv.weight`)) convolution(`${path}.rbr_scale`);
  if (net.has(`${path}.rbr_skip.weight`)) branches.push((name) => net.batchNorm(`${path}.rbr_skip`, place.input, name));
  if (branches.length === 1) branches[0]!(output);
  else
    net.add(
      "Sum",
      output,
      branches.map((branch) => branch()),
    ); // ONNX's Sum takes any number
}

/** x · sigmoid(expand(relu(reduce(mean of x by channel)))). */
function addSqueezeExcite(net: NetBuilder, path: string, input: string, channels: number): string {
  let s = net.add("GlobalAveragePool", `${path}.pool`, [input]);
  s = net.conv(`${path}.reduce`, { input: s, channels, stride: 1 }, { bias: true });
  s = net.add("Relu", `${path}.relu`, [s]);
  const squeezed = net.shape(`${path}.reduce.weight`, 4)[0]!;
  s = net.conv(`${path}.expand`, { input: s, channels: squeezed, stride: 1 }, { bias: true });
  s = net.add("Sigmoid", `${path}.sigmoid`, [s]);
  return net.add("Mul", `${path}.mul`, [input, s]);
}

function mainConv(path: string, plain: boolean): string {
  return plain ? `${path}.reparam_conv` : `${path}.rbr_conv.0.conv`;
}

/** In the order in which they run; gaps show later, as missing weights. */
function blockPaths(weights: NamedArrays): string[] {
  const found = new Map<string, readonly [stage: number, index: number]>();
  for (const name of weights.keys()) {
    const match = /^stage(\d{1,4})\.(\d{1,4})\./.exec(name);
    if (match && Number(match[1]) > 0) found.set(`stage${match[1]}.${match[2]}`, [Number(match[1]), Number(match[2])]);
  }
  const inOrder = [...found].sort(([, a], [, b]) => a[0] - b[0] || a[1] - b[1]);
  return ["stage0", ...inOrder.map(([path]) => path)];
}

/** Nodes on weights by name; remembers which were asked for. */
class NetBuilder {
  readonly #builder = new GraphBuilder();
  readonly #weights: NamedArrays;
  readonly #used = new Set<string>();

  readonly #options: MobileOneOptions;

  constructor(weights: NamedArrays, options: MobileOneOptions) {
    this.#weights = weights;
    this.#options = options;
  }

  has(name: string): boolean {
    return this.#weights.has(name);
  }

  /** @throws UserError when there is no such weight of this rank. */
  shape(name: string, rank: number): readonly number[] {
    return this.#get(name, rank).shape;
  }

  weight(name: string, rank: number): string {
    return this.#builder.constant(name, this.#get(name, rank));
  }

  add(...parameters: Parameters<GraphBuilder["add"]>): string {
    return this.#builder.add(...parameters);
  }

  /** "Same" padding; groups follow from the kernel's input channels. */
  conv(path: string, { input, channels, stride }: Place, { bias }: { bias: boolean }): string {
    const [, perGroup, height, width] = this.shape(`${path}.weight`, 4) as [number, number, number, number];
    if (perGroup < 1 || channels % perGroup !== 0 || height !== width || height % 2 === 0) {
      this.unfit(`${path}.weight`, `an odd square kernel for a divisor of ${channels} input channels`);
    }
    const inputs = [input, this.weight(`${path}.weight`, 4)];
    if (bias) inputs.push(this.weight(`${path}.bias`, 1));
    const geometry = { kernel: height, stride, padding: (height - 1) / 2, groups: channels / perGroup };
    return this.add("Conv", path, inputs, convAttributes(geometry));
  }

  batchNorm(path: string, input: string, output: string = path): string {
    const parameters = ["weight", "bias", "running_mean", "running_var"].map((name) =>
      this.weight(`${path}.${name}`, 1),
    );
    const epsilon = float(epsilonOf(this.#options, path));
    return this.add("BatchNormalization", output, [input, ...parameters], { epsilon });
  }

  graph(...parameters: Parameters<GraphBuilder["graph"]>): Graph {
    return this.#builder.graph(...parameters);
  }

  unused(): string[] {
    return [...this.#weights.keys()].filter((name) => !this.#used.has(name) && !this.isCounter(name));
  }

  /** Of a BatchNorm that the graph has. */
  isCounter(name: string): boolean {
    const path = /^(.*)\.num_batches_tracked$/.exec(name)?.[1];
    return path !== undefined && this.#used.has(`${path}.running_var`);
  }

  unfit(name: string, expected: string): never {
    throw new UserError({
      expected: `${name} of a MobileOne to be ${expected}`,
      received: `shape [${this.#weights.get(name)!.shape.join(", ")}]`,
    });
  }

  #get(name: string, rank: number): NamedArray {
    const array = this.#weights.get(name);
    if (array === undefined) {
      const left = [...(this.#options.unmatched ?? []), ...this.unused()].filter((other) => other.length < 100);
      const near = nearest(name, left.slice(0, 300));
      throw new UserError({
        expected: `the weights of a MobileOne, ${name} among them`,
        received: "a file without it",
        remedy: near ? `${quoted(near)} may be it` : "the file may be incomplete",
      });
    }
    if (array.shape.length !== rank) this.unfit(name, `of ${rank} dimensions`);
    this.#used.add(name);
    return array;
  }
}
