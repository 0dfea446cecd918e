import { UserError } from "../../core/errors.js";
import type { NamedArrays } from "../../core/named-arrays.js";
import { quoted } from "../../formats/array-bytes.js";
import { branchesOf, kindOf, mainModule, type NamedBlockKind, showsIdentity } from "./block-names.js";
import { compareNames, expectedNames, type NameComparison } from "./expected-names.js";
import type { InferredBlock, InferredException, InferredStructure } from "./inferred-structure.js";

export type { InferredStructure } from "./inferred-structure.js";

export interface Inference extends NameComparison {
  readonly architecture: InferredStructure;
  readonly form: "train" | "plain";
  /** Paths of blocks that have branches and a folded convolution beside them, as code that registers both writes: the branches count. */
  readonly placeholders: readonly string[];
}

/** More blocks are no net but a malicious index. */
const maxBlocks = 10_000;

/**
 * Depths, widths, groups, squeeze-and-excitation, kind of the blocks, classes, form and family of a net from the official names
 * and shapes of its weights. Strides cannot be seen in a plain net: the first block of each stage is taken to have stride 2, as
 * in the whole zoo; in a training net an identity branch there shows stride 1.
 * @throws UserError when there is no RepVGG in the names.
 */
export function inferArchitecture(arrays: NamedArrays): Inference {
  const names = new Set(arrays.keys());
  const family = [...names].some((name) => name.startsWith("stage1.blocks.")) ? "repvggplus" : "repvgg";
  const paths = blockPaths(names, family);
  const stem = ["rbr_reparam", "rbr_dense.conv", "square_conv"]
    .map((module) => kernelShape(arrays, `stage0.${module}.weight`))
    .find((shape) => shape !== undefined);
  if (stem === undefined || paths.length === 0) {
    throw new UserError({
      expected:
        "the weights of a RepVGG: stage0.rbr_dense.conv.weight or stage0.rbr_reparam.weight, and blocks of stage1, …",
      received: [...names].slice(0, 3).map(quoted).join(", ") || "none",
      remedy: "name a file with all weights of the net; for another net, export it to ONNX",
    });
  }
  const every = ["stage0", ...paths.flat()];
  const kind = kindOf((name) => every.some((path) => names.has(`${path}.${name}`)));
  const blocks = layOut(paths, arrays, kind);
  const form = blocks.some(({ kernel, folded }) => kernel && !folded) ? "train" : "plain";
  const widths = stageWidths(blocks, paths);
  const block = form === "plain" ? { kind: "repvgg" as const, pointwise: true, identity: true } : spec(kind, blocks);
  const classifier = arrays.get("linear.weight")?.shape;
  if (classifier !== undefined && classifier.length !== 2) {
    throw new UserError({
      expected: "linear.weight of shape [classes, channels]",
      received: `[${classifier.join(", ")}]`,
      remedy: "export a net with another head to ONNX",
    });
  }
  const exceptions = exceptionsOf(blocks, widths, block, form);
  const architecture: InferredStructure = {
    name: "custom",
    family,
    depths: paths.map((stage) => stage.length),
    widths,
    strides: strides(blocks, kind),
    groups: groups(blocks),
    inputChannels: stem[1]!,
    classes: classifier?.[0] ?? 0,
    block,
    squeezeExcite: squeezeExcite(blocks, arrays),
    ...(Object.keys(exceptions).length > 0 && { layers: exceptions }),
  };
  const placeholders = blocks
    .filter(({ path, folded }) => !folded && form === "train" && names.has(`${path}.rbr_reparam.weight`))
    .map(({ path }) => path);
  const known = new Set(placeholders.flatMap((path) => [`${path}.rbr_reparam.weight`, `${path}.rbr_reparam.bias`]));
  return { architecture, form, ...compareNames(names, expectedNames(blocks, architecture, form), known), placeholders };
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

function layOut(paths: readonly string[][], arrays: NamedArrays, kind: NamedBlockKind): InferredBlock[] {
  const blocks: InferredBlock[] = [];
  const modules = modulesByPath(arrays);
  let inChannels = 0;
  [["stage0"], ...paths].forEach((stage, s) => {
    const known = stage.map((path) => kernelOf(arrays, path, kind)).find((kernel) => kernel !== undefined)?.[0];
    if (known === undefined) {
      const [first] = stage;
      throw new UserError({ expected: `a kernel of a 3×3 convolution in each stage`, received: `none in ${first}` });
    }
    for (const path of stage) {
      const kernel = kernelOf(arrays, path, kind);
      const own = modules.get(path) ?? new Set<string>();
      const trained = kernelShape(arrays, `${path}.${mainModule(kind)}.weight`) !== undefined;
      const folded = !trained && kernelShape(arrays, `${path}.rbr_reparam.weight`) !== undefined;
      const branches = branchesOf(kind, (module) => own.has(module));
      inChannels ||= kernel?.[1] ?? 0;
      const outChannels = kernel?.[0] ?? known;
      blocks.push({ path, stage: s, kernel, inChannels, outChannels, folded, branches });
      inChannels = outChannels;
    }
  });
  return blocks;
}

/** The kernel of a block's 3×3 convolution, in its branches where they are there. */
function kernelOf(arrays: NamedArrays, path: string, kind: NamedBlockKind): readonly number[] | undefined {
  return kernelShape(arrays, `${path}.${mainModule(kind)}.weight`) ?? kernelShape(arrays, `${path}.rbr_reparam.weight`);
}

/** Modules that have weights, by the path of their block; counters are none. */
function modulesByPath(arrays: NamedArrays): Map<string, Set<string>> {
  const modules = new Map<string, Set<string>>();
  for (const name of arrays.keys()) {
    const match = /^(stage0|stage\d+\.\d+|stage\d+(?:_first|_second)?\.blocks\.\d+)\.(.+)\.(\w+)$/.exec(name);
    if (!match || match[3] === "num_batches_tracked") continue;
    const own = modules.get(match[1]!) ?? new Set();
    modules.set(match[1]!, own.add(match[2]!));
  }
  return modules;
}

function kernelShape(arrays: NamedArrays, name: string): readonly number[] | undefined {
  const shape = arrays.get(name)?.shape;
  return shape?.length === 4 && shape.every((size) => size > 0) ? shape : undefined;
}

/** Those of the last block of each stage. */
function stageWidths(blocks: readonly InferredBlock[], paths: readonly string[][]): number[] {
  return Array.from({ length: paths.length + 1 }, (_, s) => blocks.findLast(({ stage }) => stage === s)!.outChannels);
}

/** What blocks have that are in training form; a branch that any of them has belongs to the kind. */
function spec(kind: NamedBlockKind, blocks: readonly InferredBlock[]): InferredStructure["block"] {
  const trained = blocks.filter(({ kernel, folded }) => kernel && !folded);
  return {
    kind,
    pointwise: trained.some(({ branches }) => branches.pointwise),
    identity: trained.some(({ branches }) => branches.identity),
  };
}

/** Identity branches of the first block of a stage are left out: its stride decides whether there should be one. */
function exceptionsOf(
  blocks: readonly InferredBlock[],
  widths: readonly number[],
  block: InferredStructure["block"],
  form: "train" | "plain",
): Record<number, InferredException> {
  const exceptions: Record<number, InferredException> = {};
  blocks.forEach(({ stage, kernel, inChannels, outChannels, folded, branches }, layer) => {
    const inside = layer > 0 && blocks[layer - 1]!.stage === stage;
    const trained = form === "train" && kernel !== undefined && !folded;
    const exception: InferredException = {
      ...(outChannels !== widths[stage] && { width: outChannels }),
      ...(trained && branches.pointwise !== block.pointwise && { pointwise: branches.pointwise }),
      ...(trained &&
        inside &&
        inChannels === outChannels &&
        block.identity &&
        !branches.identity && { identity: false }),
      ...(form === "train" && folded && { folded: true }),
    };
    if (Object.keys(exception).length > 0) exceptions[layer] = exception;
  });
  return exceptions;
}

function strides(blocks: readonly InferredBlock[], kind: NamedBlockKind): number[] {
  const first = blocks.filter(({ stage }, i) => blocks[i - 1]?.stage !== stage);
  return first.map(({ branches, folded }) => (showsIdentity(kind) && branches.identity && !folded ? 1 : 2));
}

/** Groups by layer: a kernel sees inChannels / groups channels. */
function groups(blocks: readonly InferredBlock[]): Record<number, number> {
  const result: Record<number, number> = {};
  blocks.forEach(({ path, inChannels, kernel }, layer) => {
    const perGroup = kernel?.[1] ?? inChannels;
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

/** The ratio r of `squeezed = ⌊channels / r⌋`, from the widest block, where rounding blurs it least. */
function squeezeExcite(blocks: readonly InferredBlock[], arrays: NamedArrays): InferredStructure["squeezeExcite"] {
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
