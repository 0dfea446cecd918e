import { type FormMemory, formMemory } from "../../analysis/profile/form-memory.js";
import { layersOfArchitecture, layersOfFold } from "../../analysis/profile/layers.js";
import type { ProfiledGraph } from "../../analysis/profile/profile.js";
import type { Backend } from "../../backend/backend.js";
import { UserError } from "../../core/errors.js";
import { planReport } from "../../engine/plan-report.js";
import { foldNet } from "../../exchange/fold-net.js";
import type { Net } from "../../exchange/net.js";
import type { InputShapes } from "../../exchange/net-inputs.js";

/** What the forms of a net are called. */
export const formNames = {
  train: "training form",
  plain: "plain form",
  given: "as it is",
  folded: "folded",
} as const;

/** A form, as it is measured and as it is saved for other processes. */
export interface Form extends ProfiledGraph {
  readonly net: Net;
}

/** A net as it is, and folded where that changes it. */
export function formsOf(net: Net, fuseBatchNorm: boolean): readonly Form[] {
  const { model, source, graph } = net;
  const ofModel = model && layersOfArchitecture(model.architecture);
  if (source.form === "plain") {
    return [{ form: formNames.plain, net, graph, layerOf: ofModel ?? layersOfFold(graph), fuseBatchNorm }];
  }
  const fold = folded(net);
  const known = source.form === "train";
  const layerOf = ofModel ?? layersOfFold(graph, fold?.report);
  const given = { form: known ? formNames.train : formNames.given, net, graph, layerOf, fuseBatchNorm };
  if (!fold || fold.report.regions.length === 0) return [given];
  const { net: plain } = fold;
  const ofFolded = ofModel ?? layersOfFold(plain.graph);
  const form = known ? formNames.plain : formNames.folded;
  return [given, { form, net: plain, graph: plain.graph, layerOf: ofFolded, fuseBatchNorm: true }];
}

/** Undefined for a net with blocks that do not fold, as with a ReLU in their branches. */
function folded(net: Net): ReturnType<typeof foldNet> | undefined {
  try {
    return foldNet(net);
  } catch (error) {
    if (error instanceof UserError) return undefined;
    throw error;
  }
}

/** The forms, and the first once more with BatchNorm fused by the planner, where that makes a difference. */
export function withFused(forms: readonly Form[]): readonly Form[] {
  const [first, ...others] = forms;
  if (others.length === 0 || first!.fuseBatchNorm) return forms;
  return [...forms, { ...first!, form: `${first!.form}, BatchNorm fused`, fuseBatchNorm: true }];
}

/** What each form's plan keeps alive, step by step. */
export function memoryOf(forms: readonly Form[], inputShapes: InputShapes, backend: Backend): readonly FormMemory[] {
  return forms.map(({ form, graph, layerOf, fuseBatchNorm }) =>
    formMemory(form, planReport(graph, { inputShapes, backend, fuseBatchNorm }), layerOf),
  );
}
