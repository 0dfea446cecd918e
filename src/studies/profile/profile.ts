import type { FormMemory } from "../../analysis/profile/form-memory.js";
import type { BackendProfile } from "../../analysis/profile/profile.js";
import type { InputShapes } from "../../exchange/net-inputs.js";
import type { Machine } from "../bench/machine.js";
import type { MemoryUse } from "./memory-use.js";

/** A net in numbers: what it costs, and what that takes on this machine. */
export interface Profile {
  /** Its name. */
  readonly net: string;
  /** By input name. */
  readonly shapes: InputShapes;
  /** On which it was measured. */
  readonly machine: Machine;
  /** Times by kind of kernels, machine code first. */
  readonly backends: readonly BackendProfile[];
  /** Activations over a run by the plan of the first kernels; of the training form also with BatchNorm fused by the planner. */
  readonly memory: readonly FormMemory[];
  /** What processes of their own really used, of the same forms; where it was asked for. */
  readonly used?: readonly MemoryUse[];
}
