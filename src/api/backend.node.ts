import { createBackend } from "../backend/select.node.js";
import { usingBackendsOf } from "./compute.js";

export type { ComputeOptions } from "./compute.js";

export const usingBackend = usingBackendsOf(createBackend);
