import { type FormMemory, formMemory } from "../../analysis/profile/form-memory.js";
import { layersOfArchitecture, layersOfFold } from "../../analysis/profile/layers.js";
import { type BackendProfile, type ProfiledGraph, profileGraphs } from "../../analysis/profile/profile.js";
import type { Backend } from "../../backend/backend.js";
import { nativeAbsence } from "../../backend/native/native-backend.js";
import { type BackendKind, backendKinds } from "../../backend/options.js";
import { createBackend } from "../../backend/select.node.js";
import { UserError } from "../../core/errors.js";
import { planReport } from "../../engine/plan-report.js";
import type { Model } from "../../nn/model.js";
import { describeMachine } from "../bench/machine.node.js";
import { foldNet } from "../exchange/fold-net.js";
import { type Net, netOf } from "../exchange/net.js";
import { type InputShapes, inputShapes } from "../exchange/net-inputs.js";
import type { Profile } from "./profile.js";
import { usedMemory } from "./used-memory.node.js";

export interface ProfileOptions {
  /** What reports call the net (default: its architecture's name). */
  readonly name?: string;
  /** Kinds of kernels, the first of which plans the memory. Default: all that this machine has, machine code first. */
  readonly kernels?: readonly BackendKind[];
  /** Default: one a core. */
  readonly threads?: number;
  /** Pictures a run (default 1). */
  readonly batch?: number;
  /** Height and width where the net leaves them open. */
  readonly inputSize?: readonly [height: number, width: number];
  /**
   * Let the planner fold BatchNorm into the convolutions of the training form, as sessions do (default false: every BatchNorm is
   * worked out where it stands, as in training).
   */
  readonly fuseBatchNorm?: boolean;
  /** Times that every step is run (default 9). */
  readonly repeats?: number;
  /** Also run every form in processes of their own, and say what memory they really used (default false). */
  readonly checkMemory?: boolean;
  /** Called before each part of the work, and at its end. */
  readonly onPart?: (done: number, total: number) => void;
}

/** What the forms of a net are called. */
export const formNames = {
  train: "training form",
  plain: "plain form",
  given: "as it is",
  folded: "folded",
} as const;

/**
 * Costs, time and memory of a net, layer by layer, in training form (or as it is) and folded side by side.
 * @throws UserError where the engine lacks an operator of the net, or kernels of a kind are not there.
 */
export async function profile(source: Model | Net, options: ProfileOptions = {}): Promise<Profile> {
  const net = "graph" in source ? source : netOf(source);
  const { batch = 1, inputSize, threads, repeats, fuseBatchNorm = false } = options;
  const kinds = options.kernels ?? backendKinds.filter((kind) => kind !== "native" || !nativeAbsence());
  const shapes = inputShapes(net, batch, inputSize);
  const forms = formsOf(net, fuseBatchNorm);
  const backends: BackendProfile[] = [];
  let memory: readonly FormMemory[] | undefined;
  const parts = kinds.length + (options.checkMemory ? 1 : 0);
  for (const [i, kernels] of kinds.entries()) {
    options.onPart?.(i, parts);
    const backend = await createBackend({ kernels, ...(threads !== undefined && { threads }) });
    try {
      backends.push(profileGraphs(forms, { backend, shapes, ...(repeats !== undefined && { repeats }) }));
      memory ??= memoryOf(withFused(forms), shapes, backend);
    } finally {
      backend.dispose();
    }
  }
  const used =
    options.checkMemory &&
    (await usedMemory(withFused(forms), { shapes, kernels: kinds[0]!, threads: backends[0]!.threads }));
  options.onPart?.(parts, parts);
  const name = options.name ?? net.model?.architecture.name ?? "a net";
  return { net: name, shapes, machine: describeMachine(), backends, memory: memory ?? [], ...(used && { used }) };
}

/** A form, as it is measured and as it is saved for other processes. */
interface Form extends ProfiledGraph {
  readonly net: Net;
}

function formsOf(net: Net, fuseBatchNorm: boolean): readonly Form[] {
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
function withFused(forms: readonly Form[]): readonly Form[] {
  const [first, ...others] = forms;
  if (others.length === 0 || first!.fuseBatchNorm) return forms;
  return [...forms, { ...first!, form: `${first!.form}, BatchNorm fused`, fuseBatchNorm: true }];
}

function memoryOf(forms: readonly Form[], inputShapes: InputShapes, backend: Backend): readonly FormMemory[] {
  return forms.map(({ form, graph, layerOf, fuseBatchNorm }) =>
    formMemory(form, planReport(graph, { inputShapes, backend, fuseBatchNorm }), layerOf),
  );
}
