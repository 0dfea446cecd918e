import { endAtOnce, takeSignals } from "./signals.js";
import type { Terminal } from "./terminal.js";

/**
 * Runs `work` with a signal that Ctrl-C and SIGTERM give; a second one stops the process at once.
 * @param first said at the first one: what is still waited for
 */
export async function interruptible<T>(
  terminal: Terminal,
  work: (signal: AbortSignal) => Promise<T>,
  first = "stopping after this step (again to stop at once) …",
): Promise<T> {
  const stop = new AbortController();
  const release = takeSignals(() => {
    if (stop.signal.aborted) endAtOnce();
    terminal.endBars();
    terminal.say(first);
    stop.abort();
  });
  try {
    return await work(stop.signal);
  } finally {
    release();
  }
}
