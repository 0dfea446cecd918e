import { nearest, UserError } from "../core/errors.js";
import type { Architecture, BlockKind, BlockSpec } from "./architecture.js";
import { blockDefinition, blockKinds, isBlockKind } from "./blocks/registry.js";
import { blockLayouts } from "./layout.js";
import { multipliedWidths, type Variant, type VariantName, variantNames, variants } from "./zoo.js";

/** What can be said about a net; everything is optional beside a name, `depths` and a width are needed without one. */
export interface ArchitectureSpec {
  /** Default: the variant's name where nothing but classes and input channels was changed, else "custom". */
  readonly name?: string;
  /** Default "repvgg". */
  readonly family?: Architecture["family"];
  /** Blocks in stage 1, 2, …. */
  readonly depths?: readonly number[];
  /** Output channels of [stage 0, stage 1, …]. Excludes `widthMultipliers`. */
  readonly widths?: readonly number[];
  /**
   * The paper's `{ a, b }` (b for the last stage, a for the others) or one multiplier a stage:
   * stage s has ⌊64 · 2^(s−1) · multiplier⌋ channels, stage 0 min(64, ⌊64 · first⌋). Excludes `widths`.
   */
  readonly widthMultipliers?: { readonly a: number; readonly b: number } | readonly number[];
  /** Stride (1 or 2) of the first block of [stage 0, stage 1, …]. Default: all 2. */
  readonly strides?: readonly number[];
  /** Groups by layer, counted from 1 at `stage1.0`; or one number for every second layer (2, 4, 6, …), as in B1g2. */
  readonly groups?: number | Readonly<Record<number, number>>;
  /** Number of logits. Default: the variant's, 1000 for ImageNet's nets. */
  readonly classes?: number;
  /** 1 grey, 3 RGB, or any other number. Default: the variant's, mostly 3. */
  readonly inputChannels?: number;
  /** Kind of the blocks in training form. Default "repvgg". */
  readonly block?: BlockKind;
  /** Branches beside the 3×3 one, where the kind of blocks has them. Default: both. Both false is the paper's plain ablation. */
  readonly branches?: { readonly pointwise?: boolean; readonly identity?: boolean };
  /** Squeeze-and-excitation on each block's output; null: none. Default: the variant's. */
  readonly squeezeExcite?: Architecture["squeezeExcite"];
  /** Layers that differ from the rest, counted from 0 at stage 0. */
  readonly layers?: Architecture["layers"];
  /** ε of the BatchNorms, for all or by path. Default: 1e-5. */
  readonly batchNormEpsilon?: Architecture["batchNormEpsilon"];
}

const specKeys = [
  "name",
  "family",
  "depths",
  "widths",
  "widthMultipliers",
  "strides",
  "groups",
  "classes",
  "inputChannels",
  "block",
  "branches",
  "squeezeExcite",
  "layers",
  "batchNormEpsilon",
];

/**
 * The structure of a net, by name ("A0", "RepVGG-A0", "repvgg_b1g4", "RepVGGplus-L2pse", "nano"; case does not matter), with or
 * without changes, or from scratch.
 * @throws UserError for an unknown name (with the nearest one) or values that do not make a net.
 */
export function architecture(nameOrSpec: string | ArchitectureSpec, overrides: ArchitectureSpec = {}): Architecture {
  if (typeof nameOrSpec !== "string") return build(undefined, undefined, { ...nameOrSpec, ...overrides });
  const name = variantName(nameOrSpec);
  return build(name, variants[name], overrides);
}

/** The zoo's own spelling of a name. @throws UserError when there is no such net. */
export function variantName(name: string): VariantName {
  const bare = name.toLowerCase().replace(/^repvgg(plus)?[-_ ]?/, "");
  const found = variantNames.find((candidate) => candidate.toLowerCase() === bare);
  if (found) return found;
  const near = nearest(bare, variantNames);
  throw new UserError({
    expected: `a model name (${variantNames.join(", ")})`,
    received: `"${name}"`,
    remedy: near ? `did you mean "${near}"?` : "give one of these",
  });
}

function build(
  variantName: VariantName | undefined,
  variant: Variant | undefined,
  spec: ArchitectureSpec,
): Architecture {
  for (const key of Object.keys(spec)) {
    if (specKeys.includes(key)) continue;
    const near = nearest(key, specKeys);
    throw new UserError({
      expected: `an architecture option (${specKeys.join(", ")})`,
      received: `"${key}"`,
      remedy: near ? `did you mean "${near}"?` : "give one of these",
    });
  }
  const depths = spec.depths ?? variant?.depths;
  if (!depths) missing("depths", "the number of blocks of each stage, as [2, 4, 14, 1]");
  for (const field of ["depths", "widths", "strides"] as const) {
    if (spec[field] !== undefined) checkList(field, spec[field], undefined, 65_536);
  }
  const result: Architecture = {
    name: spec.name ?? nameFor(variantName, spec),
    family: spec.family ?? variant?.family ?? "repvgg",
    depths: [...depths],
    widths: widthsFor(spec, variant, depths.length),
    strides: [...(spec.strides ?? variantStrides(variant, depths.length))],
    groups: groupsFor(spec.groups ?? variant?.alternateGroups ?? 1, sum(depths)),
    inputChannels: spec.inputChannels ?? variant?.inputChannels ?? 3,
    classes: spec.classes ?? variant?.classes ?? 1000,
    block: blockSpec(spec.block ?? "repvgg", spec.branches),
    squeezeExcite: spec.squeezeExcite !== undefined ? spec.squeezeExcite : (variant?.squeezeExcite ?? null),
    ...(spec.layers !== undefined && { layers: spec.layers }),
    ...(spec.batchNormEpsilon !== undefined && { batchNormEpsilon: spec.batchNormEpsilon }),
  };
  checkArchitecture(result);
  return result;
}

function nameFor(variantName: VariantName | undefined, spec: ArchitectureSpec): string {
  const structural = Object.keys(spec).some(
    (key) => !["name", "classes", "inputChannels", "batchNormEpsilon"].includes(key),
  );
  return variantName && !structural ? variantName : "custom";
}

function widthsFor(spec: ArchitectureSpec, variant: Variant | undefined, stages: number): number[] {
  if (spec.widths && spec.widthMultipliers) {
    throw new UserError({ expected: "widths or widthMultipliers", received: "both", remedy: "leave one out" });
  }
  if (spec.widths) return [...spec.widths];
  const multipliers = spec.widthMultipliers;
  if (!multipliers)
    return variant
      ? [...variant.widths]
      : missing("widths", "channels, as [48, 48, 96, 192, 1280], or widthMultipliers");
  const perStage =
    "a" in multipliers
      ? Array.from({ length: stages }, (_, s) => (s === stages - 1 ? multipliers.b : multipliers.a))
      : multipliers;
  if (perStage.length !== stages) {
    throw new UserError({
      expected: `one width multiplier for each of the ${stages} stages`,
      received: `${perStage.length} (${perStage.join(", ")})`,
    });
  }
  return multipliedWidths(perStage);
}

function variantStrides(variant: Variant | undefined, stages: number): readonly number[] {
  return variant && variant.depths.length === stages ? variant.strides : Array.from({ length: stages + 1 }, () => 2);
}

function groupsFor(groups: number | Readonly<Record<number, number>>, layers: number): Record<number, number> {
  if (typeof groups !== "number") return { ...groups };
  const result: Record<number, number> = {};
  if (groups !== 1) for (let layer = 2; layer <= layers; layer += 2) result[layer] = groups;
  return result;
}

/** A kind of blocks with the branches that it has where nothing else is said. @throws UserError for an unknown kind. */
export function blockSpec(kind: BlockKind, branches: ArchitectureSpec["branches"] = {}): BlockSpec {
  checkKind("block", kind);
  const presence = blockDefinition(kind).branches;
  return {
    kind,
    pointwise: branches.pointwise ?? presence.pointwise !== "never",
    identity: branches.identity ?? presence.identity !== "never",
  };
}

function checkKind(field: string, kind: unknown): void {
  if (isBlockKind(kind)) return;
  const near = typeof kind === "string" ? nearest(kind, blockKinds) : undefined;
  throw new UserError({
    expected: `${field}: a kind of block (${blockKinds.join(", ")})`,
    received: JSON.stringify(kind) ?? String(kind),
    remedy: near ? `did you mean "${near}"?` : "give one of these",
  });
}

function checkBlock({ kind, pointwise, identity }: BlockSpec): void {
  const presence = blockDefinition(kind).branches;
  for (const [branch, present] of Object.entries({ pointwise, identity })) {
    const allowed = presence[branch as keyof typeof presence];
    if (typeof present !== "boolean") wrong(`block.${branch}`, "true or false", present);
    if (allowed === "optional" || present === (allowed === "always")) continue;
    wrong(`block.${branch}`, `${!present}, which blocks of kind ${kind} ${present ? "never" : "always"} have`, present);
  }
}

/**
 * Checks that an architecture, from wherever it came, is a net that can be built.
 * @throws UserError naming the first field that does not fit.
 */
export function checkArchitecture(a: Architecture): void {
  if (a.family !== "repvgg" && a.family !== "repvggplus") wrong("family", "repvgg or repvggplus", a.family);
  checkKind("block.kind", a.block?.kind);
  checkBlock(a.block);
  checkList("depths", a.depths, undefined, 10_000);
  const stages = a.depths.length;
  if (stages < 1 || sum(a.depths) > 10_000) wrong("depths", "from 1 to 10000 blocks in at least one stage", a.depths);
  checkList("widths", a.widths, stages + 1, 65_536);
  checkList("strides", a.strides, stages + 1, 2);
  checkCount("inputChannels", a.inputChannels, 65_536);
  checkCount("classes", a.classes, 1_000_000);
  if (a.family === "repvggplus" && (stages !== 4 || a.depths[2]! < 2)) {
    wrong("depths", "four stages with at least 2 blocks in the third (RepVGGplus cuts it in two)", a.depths);
  }
  checkExceptions(a);
  checkGroups(a);
  checkSqueezeExcite(a);
  checkEpsilon(a);
}

function checkGroups(a: Architecture): void {
  if (a.groups === null || typeof a.groups !== "object") wrong("groups", "numbers by layer, as { 2: 4 }", a.groups);
  const layers = sum(a.depths);
  const blocks = blockLayouts({ ...a, groups: {}, squeezeExcite: null });
  for (const [key, groups] of Object.entries(a.groups)) {
    const layer = Number(key);
    if (!Number.isInteger(layer) || layer < 1 || layer > layers) wrong("groups", `layers from 1 to ${layers}`, key);
    checkCount(`groups of layer ${layer}`, groups, 65_536);
    const { inChannels, outChannels } = blocks[layer]!;
    if (inChannels % groups || outChannels % groups) {
      wrong(
        `groups of layer ${layer}`,
        `a divisor of its ${inChannels} input and ${outChannels} output channels`,
        groups,
      );
    }
  }
}

function checkSqueezeExcite(a: Architecture): void {
  if (a.squeezeExcite === null) return;
  if (typeof a.squeezeExcite !== "object") wrong("squeezeExcite", "null, or position and ratio", a.squeezeExcite);
  const { position, ratio } = a.squeezeExcite;
  if (position !== "before-relu" && position !== "after-relu") {
    wrong("squeezeExcite.position", "before-relu or after-relu", position);
  }
  const narrowest = Math.min(...a.widths, ...Object.values(a.layers ?? {}).map(({ width }) => width ?? 65_536));
  checkCount("squeezeExcite.ratio", ratio, 65_536);
  if (ratio > narrowest) wrong("squeezeExcite.ratio", `at most the narrowest width, ${narrowest}`, ratio);
}

function checkExceptions(a: Architecture): void {
  const { layers = {} } = a;
  if (layers === null || typeof layers !== "object")
    wrong("layers", "exceptions by layer, as { 3: { width: 7 } }", layers);
  const last = sum(a.depths);
  for (const [key, exception] of Object.entries(layers)) {
    const layer = Number(key);
    const field = `layers[${key}]`;
    if (!Number.isInteger(layer) || layer < 0 || layer > last) wrong("layers", `layers from 0 to ${last}`, key);
    if (exception === null || typeof exception !== "object") wrong(field, "an exception, as { width: 7 }", exception);
    const { width, pointwise, identity, folded, ...others } = exception;
    for (const other of Object.keys(others)) wrong(field, "width, pointwise, identity and folded only", other);
    if (width !== undefined) checkCount(`${field}.width`, width, 65_536);
    if (identity !== undefined && identity !== false) wrong(`${field}.identity`, "false, where it is said", identity);
    if (folded !== undefined && folded !== true) wrong(`${field}.folded`, "true, where it is said", folded);
    if (pointwise !== undefined) checkBlock({ ...a.block, pointwise });
    if (identity === false) checkBlock({ ...a.block, identity });
  }
}

function checkEpsilon({ batchNormEpsilon: stated }: Architecture): void {
  if (stated === undefined || isEpsilon(stated)) return;
  const valid = stated !== null && typeof stated === "object" && Object.values(stated).every(isEpsilon);
  if (!valid) wrong("batchNormEpsilon", "a number ≥ 0, or one by path of a BatchNorm", stated);
}

function isEpsilon(value: unknown): boolean {
  return typeof value === "number" && Number.isFinite(value) && value >= 0;
}

function checkList(field: string, list: readonly number[], length: number | undefined, limit: number): void {
  if (!Array.isArray(list)) wrong(field, "a list of numbers", list);
  if (length !== undefined && list.length !== length) {
    wrong(field, `${length} numbers (stage 0 and each of the ${length - 1} stages)`, list);
  }
  for (const value of list) checkCount(field, value, limit);
}

function checkCount(field: string, value: number, limit: number): void {
  if (!Number.isInteger(value) || value < 1 || value > limit) wrong(field, `whole numbers from 1 to ${limit}`, value);
}

function wrong(field: string, expected: string, received: unknown): never {
  throw new UserError({ expected: `${field}: ${expected}`, received: JSON.stringify(received) ?? String(received) });
}

function missing(field: string, expected: string): never {
  throw new UserError({
    expected: `${field}: ${expected}`,
    received: "nothing",
    remedy: "set it, or start from a named model",
  });
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
