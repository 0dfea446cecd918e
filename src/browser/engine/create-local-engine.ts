import type { Engine, KernelOptions } from "./contract.js";
import { LocalEngine } from "./local-engine.js";

/**
 * An engine on the calling thread, which stands still while it computes: for who has a worker, or a page that may wait.
 * @throws UserError for kernels that are not to be had.
 */
export function createLocalEngine(options: KernelOptions = {}): Promise<Engine> {
  return LocalEngine.start(options);
}
