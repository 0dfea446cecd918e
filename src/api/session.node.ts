import { createBackend } from "../backend/select.node.js";
import {
  createSession as createGraphSession,
  type SessionOptions as GraphOptions,
  type Session,
} from "../engine/session.js";
import type { Graph } from "../graph/graph.js";
import type { Model } from "../nn/model.js";
import { toGraph } from "../nn/to-graph.js";
import type { ComputeOptions } from "./backend.node.js";
import type { Net } from "./exchange/net.js";

export type { PlanReport, StepReport } from "../engine/plan/report.js";
export type { SessionInput, SessionOutputs, SessionTensor, StepProfile } from "../engine/session.js";
export type { Session };

/** Where the session runs, and how. */
export type SessionOptions = ComputeOptions & Omit<GraphOptions, "backend" | "ownsBackend">;

/**
 * A net made ready to run many times: planned for the shape of its input, weights packed into the kernels' memory. For speed
 * give it a plain net (see `fold`). Inputs are float32 [N, C, H, W], normalised as the net was trained; other batches and
 * sizes than `options.shape` get plans of their own, the last few of which are kept.
 *
 * Sessions may share a backend (`options.backend`) and its threads; without one, each makes its own, which ends with it.
 * @param net a model, a net of `loadNet`, or a graph
 * @param options shape: by default one picture of the model's size
 * @throws UserError for an operator that the engine lacks, an input whose size is open, or kernels that this machine lacks.
 */
export async function createSession(net: Model | Net | Graph, options: SessionOptions = {}): Promise<Session> {
  const { graph, model } = partsOf(net);
  const usual = model && { shape: [1, model.metadata.preprocessing.channels, ...model.metadata.preprocessing.size] };
  const { backend, ...rest } = { ...usual, ...options };
  if (backend) return createGraphSession(graph, { ...rest, backend });
  const own = await createBackend(options);
  try {
    return createGraphSession(graph, { ...rest, backend: own, ownsBackend: true });
  } catch (error) {
    own.dispose();
    throw error;
  }
}

function partsOf(net: Model | Net | Graph): { readonly graph: Graph; readonly model?: Model } {
  if ("architecture" in net) return { graph: toGraph(net), model: net };
  return "graph" in net ? net : { graph: net };
}
