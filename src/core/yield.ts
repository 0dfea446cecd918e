/**
 * Lets timers, messages and signals be handled. Kernel work blocks its thread, so long loops call this once a step:
 * without it no prefetched batch, no Ctrl-C and no progress would come through.
 */
export function yieldToEvents(): Promise<void> {
  return new Promise((resolve) => {
    if (typeof setImmediate === "function") setImmediate(resolve);
    else setTimeout(resolve, 0);
  });
}
