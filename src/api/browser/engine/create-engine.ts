import type { Engine, EngineOptions } from "./contract.js";
import { RemoteEngine } from "./remote-engine.js";

/**
 * An engine in a worker of its own, or on the calling thread. Kernels run on `threads` threads where the page is cross-origin isolated,
 * else on one.
 * @throws UserError for kernels that are not to be had.
 */
export async function createEngine({ worker = true, ...options }: EngineOptions = {}): Promise<Engine> {
  if (worker) return RemoteEngine.start(options);
  // Not needed by who has a worker: then it is not loaded.
  const { LocalEngine } = await import("./local-engine.js");
  return LocalEngine.start(options);
}
