import { nearest, UserError } from "../../core/errors.js";
import type { NamedArrays } from "../../core/named-arrays.js";
import { quoted } from "../array-bytes.js";

/** A net's structure as names and shapes tell it; fits `Architecture` of the room `nn`. */
export interface InferredStructure {
  readonly name: "custom";
  readonly family: "repvgg" | "repvggplus";
  readonly depths: readonly number[];
  readonly widths: readonly number[];
  readonly strides: readonly number[];
  readonly groups: Readonly<Record<number, number>>;
  readonly inputChannels: number;
  readonly classes: number;
  readonly block: { readonly kind: "repvgg"; readonly pointwise: boolean; readonly identity: boolean };
  readonly squeezeExcite: { readonly position: "before-relu" | "after-relu"; readonly ratio: number } | null;
}

export interface Inference {
  readonly architecture: InferredStructure;
  readonly form: "train" | "plain";
  /** Names that the structure asks for and the weights have not, each with the nearest left-over name. */
  readonly missing: readonly { readonly name: string; readonly nearest: string | undefined }[];
  /** Names that the structure has no place for. */
  readonly leftOver: readonly string[];
}

/** More blocks are no net but a malicious index. */
const maxBlocks = 10_000;

/** The nearest name costs a comparison with every left-over one: only for so many missing ones. */
const maxNearest = 20;

const normParameters = ["weight", "bias", "running_mean", "running_var"];

interface Block {
  readonly path: string;
  /** From 0, the stem. */
  readonly stage: number;
  readonly inChannels: number;
  readonly outChannels: number;
}

/**
 * Depths, widths, groups, squeeze-and-excitation, classes, form and family of a net from the official names and shapes of
 * its weights. Strides cannot be seen in a plain net: the first block of each stage is taken to have stride 2, as in the
 * whole zoo; in a training net an identity branch there shows stride 1.
 * @throws UserError when there is no RepVGG in the names.
 */
export function inferArchitecture(arrays: NamedArrays): Inference {
  const names = new Set(arrays.keys());
  const family = [...names].some((name) => name.startsWith("stage1.blocks.")) ? "repvggplus" : "repvgg";
  const form = names.has("stage0.rbr_reparam.weight") ? "plain" : "train";
  const main = form === "plain" ? "rbr_reparam" : "rbr_dense.conv";
  const paths = blockPaths(names, family);
  const kernel = (path: string): readonly number[] | undefined => kernelShape(arrays, `${path}.${main}.weight`);
  const stem = kernel("stage0");
  const classifier = arrays.get("linear.weight")?.shape;
  if (stem === undefined || paths.length === 0 || classifier?.length !== 2) {
    throw new UserError({
      expected: `the weights of a RepVGG: stage0.${main}.weight, blocks of stage1, …, and linear.weight`,
      received: [...names].slice(0, 3).map(quoted).join(", ") || "none",
      remedy: "map the names with toOfficial first; for another net, export it to ONNX",
    });
  }
  const widths = [stem[0]!];
  for (const stage of paths) {
    const width = stage.map(kernel).find((shape) => shape !== undefined)?.[0];
    if (width === undefined) {
      throw new UserError({ expected: `a kernel ${main}.weight in each stage`, received: `none in ${stage[0]}` });
    }
    widths.push(width);
  }
  const blocks = layOut(paths, widths, stem[1]!);
  const architecture: InferredStructure = {
    name: "custom",
    family,
    depths: paths.map((stage) => stage.length),
    widths,
    strides: strides(blocks, names),
    groups: groups(blocks, kernel),
    inputChannels: stem[1]!,
    classes: classifier[0]!,
    block: branches(names, form),
    squeezeExcite: squeezeExcite(blocks, arrays),
  };
  return { architecture, form, ...compare(names, expectedNames(blocks, architecture, form)) };
}

/** Paths of the blocks of each stage from 1 up to the last that has any, gaps filled. */
function blockPaths(names: ReadonlySet<string>, family: "repvgg" | "repvggplus"): string[][] {
  const lists =
    family === "repvgg"
      ? (stage: number) => [`stage${stage}`]
      : (stage: number) =>
          stage > 4 ? [] : stage === 3 ? ["stage3_first.blocks", "stage3_second.blocks"] : [`stage${stage}.blocks`];
  const depthOf = new Map<string, number>();
  for (const name of names) {
    const match = /^(stage\d+|stage\d+(?:_first|_second)?\.blocks)\.(\d+)\./.exec(name);
    if (!match || match[1] === "stage0") continue;
    depthOf.set(match[1]!, Math.max(depthOf.get(match[1]!) ?? 0, Number(match[2]) + 1));
  }
  const blocks = [...depthOf.values()].reduce((total, depth) => total + depth, 0);
  if (blocks > maxBlocks) throw new UserError({ expected: `at most ${maxBlocks} blocks`, received: `${blocks}` });
  const stages: string[][] = [];
  for (let stage = 1; ; stage++) {
    const paths = lists(stage).flatMap((list) =>
      Array.from({ length: depthOf.get(list) ?? 0 }, (_, index) => `${list}.${index}`),
    );
    if (paths.length === 0) return stages;
    stages.push(paths);
  }
}

function layOut(paths: readonly string[][], widths: readonly number[], inputChannels: number): Block[] {
  const blocks: Block[] = [{ path: "stage0", stage: 0, inChannels: inputChannels, outChannels: widths[0]! }];
  paths.forEach((stage, s) => {
    stage.forEach((path, i) => {
      blocks.push({ path, stage: s + 1, inChannels: widths[i === 0 ? s : s + 1]!, outChannels: widths[s + 1]! });
    });
  });
  return blocks;
}

function kernelShape(arrays: NamedArrays, name: string): readonly number[] | undefined {
  const shape = arrays.get(name)?.shape;
  return shape?.length === 4 && shape.every((size) => size > 0) ? shape : undefined;
}

function strides(blocks: readonly Block[], names: ReadonlySet<string>): number[] {
  const first = blocks.filter(({ stage }, i) => blocks[i - 1]?.stage !== stage);
  return first.map(({ path }) => (names.has(`${path}.rbr_identity.weight`) ? 1 : 2));
}

/** Groups by layer: a kernel sees inChannels / groups channels. */
function groups(
  blocks: readonly Block[],
  kernel: (path: string) => readonly number[] | undefined,
): Record<number, number> {
  const result: Record<number, number> = {};
  blocks.forEach(({ path, inChannels }, layer) => {
    const perGroup = kernel(path)?.[1] ?? inChannels;
    if (layer === 0 || perGroup === inChannels) return;
    if (inChannels % perGroup !== 0) {
      throw new UserError({
        expected: `a kernel of ${path} for a divisor of its ${inChannels} input channels`,
        received: `${perGroup}`,
        remedy: "a block before it may be missing, or the weights belong to different nets",
      });
    }
    result[layer] = inChannels / perGroup;
  });
  return result;
}

function branches(names: ReadonlySet<string>, form: "train" | "plain"): InferredStructure["block"] {
  const has = (part: string): boolean => form === "plain" || [...names].some((name) => name.includes(part));
  return { kind: "repvgg", pointwise: has(".rbr_1x1."), identity: has(".rbr_identity.") };
}

/** The ratio r of `squeezed = ⌊channels / r⌋`, from the widest block, where rounding blurs it least. */
function squeezeExcite(blocks: readonly Block[], arrays: NamedArrays): InferredStructure["squeezeExcite"] {
  for (const { path, outChannels } of [...blocks].sort((a, b) => b.outChannels - a.outChannels)) {
    for (const [module, position] of [
      ["se", "before-relu"],
      ["post_se", "after-relu"],
    ] as const) {
      const squeezed = kernelShape(arrays, `${path}.${module}.down.weight`)?.[0];
      if (squeezed !== undefined) return { position, ratio: Math.max(1, Math.floor(outChannels / squeezed)) };
    }
  }
  return null;
}

/** The names that a net of this structure has; counters (`num_batches_tracked`) left out, as some files do. */
function expectedNames(
  blocks: readonly Block[],
  { block: { pointwise, identity }, squeezeExcite, strides }: InferredStructure,
  form: "train" | "plain",
): string[] {
  const expected: string[] = [];
  const add = (path: string, parameters: readonly string[]): void => {
    for (const parameter of parameters) expected.push(`${path}.${parameter}`);
  };
  for (const [i, { path, stage, inChannels, outChannels }] of blocks.entries()) {
    if (squeezeExcite) {
      const module = squeezeExcite.position === "after-relu" ? "post_se" : "se";
      add(`${path}.${module}.down`, ["weight", "bias"]);
      add(`${path}.${module}.up`, ["weight", "bias"]);
    }
    if (form === "plain") {
      add(`${path}.rbr_reparam`, ["weight", "bias"]);
      continue;
    }
    const stride = blocks[i - 1]?.stage === stage ? 1 : strides[stage]!;
    if (identity && stride === 1 && inChannels === outChannels) add(`${path}.rbr_identity`, normParameters);
    for (const branch of pointwise ? ["rbr_dense", "rbr_1x1"] : ["rbr_dense"]) {
      add(`${path}.${branch}.conv`, ["weight"]);
      add(`${path}.${branch}.bn`, normParameters);
    }
  }
  add("linear", ["weight", "bias"]);
  return expected;
}

function compare(names: ReadonlySet<string>, expected: readonly string[]): Pick<Inference, "missing" | "leftOver"> {
  const wanted = new Set(expected);
  const leftOver = [...names].filter(
    (name) => !wanted.has(name) && !name.endsWith(".num_batches_tracked") && !isAuxiliary(name),
  );
  // Edit distance costs the product of two lengths, which a hostile file chooses.
  const candidates = leftOver.filter((name) => name.length < 100).slice(0, 300);
  const missing = expected
    .filter((name) => !names.has(name))
    .map((name, i) => ({ name, nearest: i < maxNearest ? nearest(name, candidates) : undefined }));
  return { missing, leftOver };
}

/** Heads of RepVGGplus that only training uses; a checkpoint may have them or not. */
function isAuxiliary(name: string): boolean {
  return /^stage(1|2|3_first)_aux\./.test(name);
}
