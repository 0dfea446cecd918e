import type { Engine, KernelOptions } from "./contract.js";
import { RemoteEngine } from "./remote-engine.js";

/**
 * An engine in a worker of its own. Kernels run on `threads` threads where the page is cross-origin isolated, else on one.
 * @throws UserError for kernels that are not to be had, and where the worker cannot be started: its files are not served, or not by the page's own site.
 */
export function createEngine(options: KernelOptions = {}): Promise<Engine> {
  return RemoteEngine.start(options);
}
