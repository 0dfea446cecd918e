import { usingBackendsOf } from "../backend/compute.js";
import { createBackend } from "../backend/select.browser.js";

export type { ComputeOptions } from "../backend/compute.js";

export const usingBackend = usingBackendsOf(createBackend);
