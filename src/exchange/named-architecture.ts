import { UserError } from "../core/errors.js";
import type { NamedArrays } from "../core/named-arrays.js";
import type { Architecture, LayerException } from "../nn/architecture.js";
import { architecture, checkArchitecture } from "../nn/build-architecture.js";
import { type BlockLayout, blockLayouts } from "../nn/layout.js";
import { knownVariant } from "./known-variant.js";
import { checkNetModules, moduleStride, type NetModules } from "./module-settings.js";
import { mainModule, showsIdentity } from "./names/block-names.js";
import type { Inference, InferredStructure } from "./names/infer-architecture.js";
import { some } from "./sentences.js";

/**
 * The architecture of weights by name: what names and shapes show, the zoo's name and strides where it is one of the zoo's
 * nets, and what pickled modules say.
 * @param notes gets in sentences what was assumed, and what is unusual
 * @throws UserError for a net that ours cannot be, or strides that contradict the weights.
 */
export function namedArchitecture(
  { architecture: seen, form }: Inference,
  weights: NamedArrays,
  { strides: asked }: { readonly strides?: readonly number[] },
  modules: NetModules,
  notes: string[],
): Architecture {
  const inferred: InferredStructure = { ...seen, classes: Math.max(1, seen.classes) };
  refuseInnerSqueeze(inferred);
  const name = knownVariant(inferred);
  const { classes, inputChannels } = inferred;
  const net = name ? architecture(name, { classes, inputChannels }) : inferred;
  const stated = modulesOf(blockLayouts(inferred), inferred, weights, modules);
  // An identity branch shows stride 1; where the zoo's net disagrees, the file is right.
  const shown = inferred.strides.map((stride, stage) => (stride === 1 ? 1 : net.strides[stage]!));
  const strides = asked ?? stated ?? shown;
  if (stated && !asked)
    notes.push(`strides ${strides.join(", ")} (first block of each stage), as the pickled modules say`);
  else if (!asked) {
    notes.push(
      `weights do not show strides: assumed ${strides.join(", ")}${name ? `, as ${name} has them` : ""} (first block of each stage)`,
    );
  }
  const same = strides.join() === net.strides.join();
  const { layers: _, ...base } = net;
  const whole: Architecture = { ...base, name: name && same ? name : "custom", strides, ...layersOf(inferred.layers) };
  checkArchitecture(whole);
  const result = form === "train" ? { ...whole, ...layersOf(withoutAbsentIdentities(whole, weights, modules)) } : whole;
  if (form === "train") describeExceptions(result, stated === undefined, notes);
  return result;
}

function layersOf(layers: Architecture["layers"]): Pick<Architecture, "layers"> {
  return layers && Object.keys(layers).length > 0 ? { layers } : {};
}

/** QARepVGG's code has squeeze-and-excitation inside, before the last BatchNorm: then a block is not linear before its ReLU. */
function refuseInnerSqueeze({ block: { kind }, squeezeExcite }: InferredStructure): void {
  if (squeezeExcite === null || (kind !== "qarepvgg" && kind !== "qarepvgg-v1")) return;
  throw new UserError({
    expected: "QARepVGG blocks without squeeze-and-excitation",
    received: "blocks with it, before their last BatchNorm",
    remedy: "export the net to ONNX and fold that",
  });
}

/**
 * The strides of the stages as pickled modules say; undefined where there are none.
 * @throws UserError for modules that compute something else than blocks of ours.
 */
function modulesOf(
  layouts: readonly BlockLayout[],
  { block: { kind } }: InferredStructure,
  weights: NamedArrays,
  modules: NetModules,
): readonly number[] | undefined {
  const strides: (number | undefined)[] = [];
  const places = layouts.map(({ path }) => {
    const names = [`${path}.${mainModule(kind)}.weight`, `${path}.rbr_reparam.weight`];
    return { path, weight: names.find((name) => weights.has(name))! };
  });
  checkNetModules(modules, places);
  layouts.forEach(({ path, stage }, layer) => {
    const main = places[layer]!.weight;
    const identity = modules.below(places[layer]!).get("rbr_identity")?.type;
    if (kind === "repvgg" && identity?.endsWith(".Identity")) {
      throw new UserError({
        expected: `a BatchNorm in the identity branch of ${path}`,
        received: "none, as the pickled modules say",
        remedy: "export the net to ONNX and fold that",
      });
    }
    const stride = moduleStride(modules, main, 3);
    const pointwise = [`${path}.rbr_1x1.conv.weight`, `${path}.rbr_1x1.weight`].find((name) => weights.has(name));
    const other = pointwise === undefined ? undefined : moduleStride(modules, pointwise, 1);
    const first = layouts[layer - 1]?.stage !== stage;
    if (first) strides.push(stride);
    if ((!first && stride !== undefined && stride !== 1) || (other !== undefined && other !== stride)) {
      throw new UserError({
        expected: `one stride for all branches of ${path}${first ? "" : ", 1 within a stage"}`,
        received: `${stride}${other === undefined ? "" : ` and ${other}`}, as the pickled modules say`,
        remedy: "export the net to ONNX and fold that",
      });
    }
  });
  return strides.every((stride) => stride !== undefined) ? (strides as number[]) : undefined;
}

/** Exceptions for blocks that could have an identity branch and have none; with strides known, also the first ones of stages. */
function withoutAbsentIdentities(net: Architecture, weights: NamedArrays, modules: NetModules): Architecture["layers"] {
  const { kind } = net.block;
  const shown = kind === "repvgg" || kind === "qarepvgg-v1" || kind === "acb" ? showsIdentity(kind) : false;
  const layers: Record<number, LayerException> = { ...net.layers };
  blockLayouts(net).forEach(({ path, identity, stride, folded }, layer) => {
    const has = weights.has(`${path}.rbr_identity.running_var`);
    if (has && !identity && !folded && shown) {
      throw new UserError({
        expected: `strides that fit the weights: the identity branch of ${path} shows stride 1`,
        received: `stride ${stride}`,
        remedy: "leave --strides (strides) out, or mend them",
      });
    }
    if (!identity) return;
    const inside = modules.below({ path, weight: `${path}.${mainModule(kind as "repvgg")}.weight` });
    const absent = shown ? !has : inside.size > 0 && !inside.has("rbr_identity");
    if (absent) layers[layer] = { ...layers[layer], identity: false };
  });
  return layers;
}

/** @param guessed no module says where identity branches without weights are */
function describeExceptions(net: Architecture, guessed: boolean, notes: string[]): void {
  const layouts = blockLayouts(net);
  const paths = (test: (exception: LayerException) => boolean): string[] =>
    Object.entries(net.layers ?? {}).flatMap(([layer, exception]) =>
      test(exception) ? [layouts[Number(layer)]!.path] : [],
    );
  const folded = paths((exception) => exception.folded === true);
  const pruned = paths((exception) => exception.width !== undefined);
  const pointwise = paths((exception) => exception.pointwise === false);
  const identity = paths((exception) => exception.identity === false);
  if (folded.length > 0) notes.push(`${some(folded)}: folded already, the other blocks have their branches`);
  if (pruned.length > 0) notes.push(`${some(pruned)}: other widths than the end of the stage`);
  if (pointwise.length > 0) notes.push(`${some(pointwise)}: no 1×1 branch, unlike other blocks`);
  if (identity.length > 0) notes.push(`${some(identity)}: no identity branch, unlike other blocks`);
  if (guessed && (net.block.kind === "qarepvgg" || net.block.kind === "post-addition-bn")) {
    const count = layouts.filter((layout) => layout.identity).length;
    notes.push(`identity branches have no weights: assumed in the ${count} blocks whose stride and channels allow one`);
  }
}
