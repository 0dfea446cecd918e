import { usingBackendsOf } from "./compute.js";
import { createBackend } from "./select.node.js";

export type { ComputeOptions } from "./compute.js";

export const usingBackend = usingBackendsOf(createBackend);
