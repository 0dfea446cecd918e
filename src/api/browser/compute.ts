import { createBackend } from "../../backend/select.browser.js";
import { usingBackendsOf } from "../compute.js";

export type { ComputeOptions } from "../compute.js";

export const usingBackend = usingBackendsOf(createBackend);
