/**
 * How libraries name the weights of the same nets, as data. A name is a place (stem, block of a stage, classifier), a module in
 * it and a parameter; each naming spells the parts its own way.
 * Sources: the authors' repvgg.py and those of ACNet, QARepVGG and RepOptimizers, timm's byobnet.py, mmpretrain's repvgg.py,
 * Apple's mobileone.py.
 */
export interface Naming {
  /** The first block. */
  readonly stem: string;
  /** A block: `{stage}` counts from 1, `{stage0}` from 0, `{index}` from 0. */
  readonly block: string;
  readonly classifier: string;
  /** Modules of a block; `#` is the number of one of several equal branches. */
  readonly modules: Readonly<Record<string, string>>;
}

const officialModules = {
  "dense.conv": "rbr_dense.conv",
  "dense.norm": "rbr_dense.bn",
  "pointwise.conv": "rbr_1x1.conv",
  "pointwise.norm": "rbr_1x1.bn",
  identity: "rbr_identity",
  plain: "rbr_reparam",
  squeeze: "se.down",
  expand: "se.up",
  postSqueeze: "post_se.down",
  postExpand: "post_se.up",
  norm: "bn",
  pointwise: "rbr_1x1",
  "square.conv": "square_conv",
  "square.norm": "square_bn",
  "vertical.conv": "ver_conv",
  "vertical.norm": "ver_bn",
  "horizontal.conv": "hor_conv",
  "horizontal.norm": "hor_bn",
};

/** RepVGG as its authors name it: the names that this package uses everywhere inside. */
const official: Naming = {
  stem: "stage0",
  block: "stage{stage}.{index}",
  classifier: "linear",
  modules: officialModules,
};

const timm: Naming = {
  stem: "stem",
  block: "stages.{stage0}.{index}",
  classifier: "head.fc",
  modules: {
    "dense.conv": "conv_kxk.conv",
    "dense.norm": "conv_kxk.bn",
    "pointwise.conv": "conv_1x1.conv",
    "pointwise.norm": "conv_1x1.bn",
    identity: "identity",
    plain: "reparam_conv",
    squeeze: "attn.fc1",
    expand: "attn.fc2",
  },
};

const mmpretrain: Naming = {
  stem: "backbone.stem",
  block: "backbone.stage_{stage}.{index}",
  classifier: "head.fc",
  modules: {
    "dense.conv": "branch_3x3.conv",
    "dense.norm": "branch_3x3.norm",
    "pointwise.conv": "branch_1x1.conv",
    "pointwise.norm": "branch_1x1.norm",
    identity: "branch_norm",
    plain: "branch_reparam",
    squeeze: "se_layer.conv1.conv",
    expand: "se_layer.conv2.conv",
  },
};

/** MobileOne as Apple names it. */
const mobileone: Naming = {
  stem: "stage0",
  block: "stage{stage}.{index}",
  classifier: "linear",
  modules: {
    "dense.conv": "rbr_conv.#.conv",
    "dense.norm": "rbr_conv.#.bn",
    "pointwise.conv": "rbr_scale.conv",
    "pointwise.norm": "rbr_scale.bn",
    identity: "rbr_skip",
    plain: "reparam_conv",
    squeeze: "se.reduce",
    expand: "se.expand",
  },
};

const mobileoneTimm: Naming = {
  stem: "stem",
  block: "stages.{stage0}.{index}",
  classifier: "head.fc",
  modules: {
    "dense.conv": "conv_kxk.#.conv",
    "dense.norm": "conv_kxk.#.bn",
    "pointwise.conv": "conv_scale.conv",
    "pointwise.norm": "conv_scale.bn",
    identity: "identity",
    plain: "reparam_conv",
    squeeze: "attn.fc1",
    expand: "attn.fc2",
  },
};

/** RepOpt-VGG (RepOptimizers, Ding et al., arXiv:2205.15242) as it is trained: one convolution and BatchNorm a block. */
const repopt: Naming = {
  ...official,
  modules: { "dense.conv": "conv", "dense.norm": "bn", postSqueeze: "post_se.down", postExpand: "post_se.up" },
};

/** The RepVGG that the code of RepOptimizers compares itself with. */
const repoptRepvgg: Naming = {
  ...official,
  modules: {
    "dense.conv": "conv_3x3",
    "dense.norm": "bn_3x3",
    "pointwise.conv": "conv_1x1",
    "pointwise.norm": "bn_1x1",
    identity: "bn_identity",
    plain: "conv",
    postSqueeze: "post_se.down",
    postExpand: "post_se.up",
  },
};

/** Whose names weights have: the authors' (`official`, `repvggplus`), timm's, mmpretrain's, MobileOne's (Apple's or timm's), RepOpt-VGG's. */
export type Scheme =
  | "official"
  | "timm"
  | "mmpretrain"
  | "repvggplus"
  | "mobileone"
  | "mobileone-timm"
  | "repopt"
  | "repopt-repvgg";

/** `official`: the scheme whose names the others of the same family are translated to. */
export const namings: Readonly<Record<Exclude<Scheme, "repvggplus">, { naming: Naming; official: Naming }>> = {
  official: { naming: official, official },
  timm: { naming: timm, official },
  mmpretrain: { naming: mmpretrain, official },
  mobileone: { naming: mobileone, official: mobileone },
  "mobileone-timm": { naming: mobileoneTimm, official: mobileone },
  repopt: { naming: repopt, official },
  "repopt-repvgg": { naming: repoptRepvgg, official },
};

const parameters = "weight|bias|running_mean|running_var|num_batches_tracked";

/** RepVGGplus has no other naming than its authors': blocks in lists, a third stage in two halves, auxiliary heads. */
const repvggplus = new RegExp(
  `^(((stage0|stage[124]\\.blocks\\.\\d+|stage3_(first|second)\\.blocks\\.\\d+)\\.(${Object.values(officialModules)
    .map(escapeRegExp)
    .join("|")}))|stage(1|2|3_first)_aux\\.(0\\.(conv|bn)|3)|linear)\\.(${parameters})$`,
);

/** A name taken apart. */
interface Parts {
  /** "stem", "block" or "classifier". */
  readonly place: "stem" | "block" | "classifier";
  /** From 1. */
  readonly stage: number;
  readonly index: number;
  readonly module: string;
  /** Number of the branch, where the module has several. */
  readonly branch: string;
  readonly parameter: string;
}

/** Whether a scheme has this name. */
export function recognizes(scheme: Scheme, name: string): boolean {
  return scheme === "repvggplus" ? repvggplus.test(name) : parse(namings[scheme].naming, name) !== undefined;
}

/** A name of one naming in another; undefined when one of them has no such thing. */
export function translate(name: string, from: Naming, to: Naming): string | undefined {
  const parts = parse(from, name);
  return parts && spell(to, parts);
}

function parse(naming: Naming, name: string): Parts | undefined {
  const { stem, block, classifier, modules } = patterns(naming);
  const head = classifier.exec(name);
  if (head) return { place: "classifier", stage: 0, index: 0, module: "", branch: "", parameter: head[1]! };
  const inStem = stem.exec(name);
  const { rest = inStem?.[1], stage, stage0, index } = block.exec(name)?.groups ?? {};
  if (rest === undefined) return undefined;
  for (const [module, pattern] of modules) {
    const match = pattern.exec(rest);
    if (!match) continue;
    const { branch = "", parameter } = match.groups as { branch?: string; parameter: string };
    return {
      place: inStem ? "stem" : "block",
      stage: stage0 === undefined ? Number(stage ?? 0) : Number(stage0) + 1,
      index: Number(index ?? 0),
      module,
      branch,
      parameter,
    };
  }
  return undefined;
}

function spell(naming: Naming, parts: Parts): string | undefined {
  const { place, stage, index, module, branch, parameter } = parts;
  if (place === "classifier") return `${naming.classifier}.${parameter}`;
  const spelled = naming.modules[module];
  if (spelled === undefined) return undefined;
  const path =
    place === "stem"
      ? naming.stem
      : naming.block
          .replace("{stage}", String(stage))
          .replace("{stage0}", String(stage - 1))
          .replace("{index}", String(index));
  return `${path}.${spelled.replace("#", branch)}.${parameter}`;
}

interface Patterns {
  readonly stem: RegExp;
  readonly block: RegExp;
  readonly classifier: RegExp;
  readonly modules: readonly (readonly [string, RegExp])[];
}

const compiled = new Map<Naming, Patterns>();

function patterns(naming: Naming): Patterns {
  const known = compiled.get(naming);
  if (known) return known;
  const number = (group: string): string => `(?<${group}>${group === "stage" ? "" : "0|"}[1-9]\\d{0,4})`;
  const result: Patterns = {
    stem: new RegExp(`^${escapeRegExp(naming.stem)}\\.(.+)$`),
    block: new RegExp(
      `^${escapeRegExp(naming.block).replace(/\\\{(\w+)\\\}/g, (_, group: string) => number(group))}\\.(?<rest>.+)$`,
    ),
    classifier: new RegExp(`^${escapeRegExp(naming.classifier)}\\.(weight|bias)$`),
    modules: Object.entries(naming.modules).map(([module, spelled]) => [
      module,
      new RegExp(`^${escapeRegExp(spelled).replace("#", number("branch"))}\\.(?<parameter>${parameters})$`),
    ]),
  };
  compiled.set(naming, result);
  return result;
}

function escapeRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
