import type { FormMemory } from "../../analysis/profile/form-memory.js";
import { type BackendProfile, profileGraphs } from "../../analysis/profile/profile.js";
import { nativeAbsence } from "../../backend/native/native-backend.js";
import { type BackendKind, backendKinds } from "../../backend/options.js";
import { createBackend } from "../../backend/select.node.js";
import { type Net, netOf } from "../../exchange/net.js";
import { inputShapes } from "../../exchange/net-inputs.js";
import type { Model } from "../../nn/model.js";
import { describeMachine } from "../bench/machine.node.js";
import { formsOf, memoryOf, withFused } from "./forms.js";
import type { Profile } from "./profile.js";
import { usedMemory } from "./used-memory.node.js";

/** What of a net is measured, and how. */
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

/**
 * Costs, time and memory of a net, layer by layer, in training form (or as it is) and folded side by side.
 * @throws UserError where the engine lacks an operator of the net, or kernels of a kind are not there.
 */
export async function profile(source: Model | Net, options: ProfileOptions = {}): Promise<Profile> {
  const net = "graph" in source ? source : netOf(source);
  const { batch = 1, inputSize, threads, repeats, fuseBatchNorm = false } = options;
  const kinds = options.kernels ?? availableKernels();
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

/**
 * The memory part of {@link profile} alone, on the first of the kernels, and what processes really used: nothing is timed.
 * @throws UserError as {@link profile} does
 */
export async function profileMemory(
  source: Model | Net,
  options: Pick<ProfileOptions, "kernels" | "threads" | "batch" | "inputSize"> = {},
): Promise<Required<Pick<Profile, "shapes" | "memory" | "used">>> {
  const net = "graph" in source ? source : netOf(source);
  const { kernels: [kernels] = availableKernels(), threads, batch = 1, inputSize } = options;
  const shapes = inputShapes(net, batch, inputSize);
  const forms = withFused(formsOf(net, false));
  const backend = await createBackend({ kernels: kernels!, ...(threads !== undefined && { threads }) });
  try {
    const memory = memoryOf(forms, shapes, backend);
    const used = await usedMemory(forms, { shapes, kernels: kernels!, threads: backend.threads });
    return { shapes, memory, used };
  } finally {
    backend.dispose();
  }
}

function availableKernels(): readonly BackendKind[] {
  return backendKinds.filter((kind) => kind !== "native" || !nativeAbsence());
}
