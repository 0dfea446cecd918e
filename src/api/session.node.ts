import { Tuning } from "../backend/conv/tuning.js";
import { createBackend } from "../backend/select.node.js";
import type { ComputeOptions } from "../backend/using-backend.node.js";
import {
  createSession as createGraphSession,
  type SessionOptions as GraphOptions,
  type Session,
} from "../engine/session.js";
import { openNet } from "../exchange/load-net.node.js";
import type { Net } from "../exchange/net.js";
import type { Graph } from "../graph/graph.js";
import type { Model } from "../nn/model.js";
import { toGraph } from "../nn/to-graph.js";
import { readTuning, writeTuning } from "./tuning-file.node.js";

export type { PlanReport, StepReport } from "../engine/plan/report.js";
export type {
  SessionInput,
  SessionInputTensor,
  SessionNumbers,
  SessionOutputs,
  SessionTensor,
  StepProfile,
} from "../engine/session.js";
export type { Session };

/** Where the session runs, and how. */
export interface SessionOptions extends ComputeOptions, Omit<GraphOptions, "backend" | "onDispose" | "tuning"> {
  /**
   * Choose each convolution's algorithm by measuring all that can do it, not by the cost model: some seconds when a session is
   * made, and results whose last bits depend on what was found. True: once a process. A path: measurements are read from that file
   * where it exists, and new ones are added to it, so that later processes choose alike.
   */
  readonly tune?: boolean | string;
}

/** What this process has measured. */
const processTuning = new Tuning();

/**
 * A net made ready to run many times: planned for the shape of its input, weights packed into the kernels' memory. For speed
 * give it a plain net (see `fold`). Inputs are float32 [N, C, H, W], normalised as the net was trained; other batches and
 * sizes than `options.shape` get plans of their own, the last few of which are kept.
 *
 * Sessions may share a backend (`options.backend`) and its threads; without one, each makes its own, which ends with it.
 * @param net a model, a net of `loadNet`, a graph, or the path of a model file of any kind. From a file, weights go straight to
 * the kernels: less memory and a faster start. It stays open until the session is disposed of.
 * @param options shape: by default one picture of the model's size
 * @throws UserError for an operator that the engine lacks, an input whose size is open, kernels that this machine lacks, or a
 * file that holds no net.
 */
export async function createSession(net: Model | Net | Graph | string, options: SessionOptions = {}): Promise<Session> {
  const ends: (() => void)[] = [];
  const onDispose = (): void => {
    for (const end of ends.splice(0).reverse()) end(); // the last that was made goes first
  };
  try {
    if (typeof net === "string") {
      const opened = await openNet(net);
      ends.push(opened.close);
      net = opened.net;
    }
    const { graph, model } = partsOf(net);
    const usual = model && { shape: [1, model.metadata.preprocessing.channels, ...model.metadata.preprocessing.size] };
    let { backend } = options;
    if (!backend) {
      const own = await createBackend(options);
      ends.push(() => own.dispose());
      backend = own;
    }
    const { tune, ...rest } = options;
    const tuning = typeof tune === "string" ? await readTuning(tune) : tune ? processTuning : undefined;
    const before = tuning?.size;
    const session = createGraphSession(graph, {
      ...{ ...usual, ...rest, backend, onDispose },
      ...(tuning && { tuning }),
    });
    ends.push(() => session.dispose());
    if (typeof tune === "string" && tuning!.size !== before) await writeTuning(tune, tuning!);
    ends.pop();
    return session;
  } catch (error) {
    onDispose();
    throw error;
  }
}

function partsOf(net: Model | Net | Graph): { readonly graph: Graph; readonly model?: Model } {
  if ("architecture" in net) return { graph: toGraph(net), model: net };
  return "graph" in net ? net : { graph: net };
}
