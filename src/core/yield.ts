/**
 * Lets timers, messages and signals be handled. Kernel work blocks its thread, so long loops call this once a step:
 * without it no prefetched batch, no Ctrl-C and no progress would come through.
 */
export function yieldToEvents(): Promise<void> {
  return new Promise((resolve) => {
    if (typeof setImmediate === "function") return void setImmediate(resolve);
    // In a browser a timer waits for 4 ms or more: a message to oneself comes after what has come before it, at once.
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(undefined);
  });
}
