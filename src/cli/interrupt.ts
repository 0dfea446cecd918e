import type { Terminal } from "./terminal.js";

/** Exit code of a command that Ctrl-C stopped, as shells have it: 128 + SIGINT. */
export const interruptedCode = 130;

/** Runs `work` with a signal that Ctrl-C and SIGTERM give; a second one stops the process at once. */
export async function interruptible<T>(terminal: Terminal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const stop = new AbortController();
  const onSignal = (): void => {
    if (stop.signal.aborted) process.exit(interruptedCode);
    terminal.say("\nstopping after this step (again to stop at once) …");
    stop.abort();
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  try {
    return await work(stop.signal);
  } finally {
    process.off("SIGINT", onSignal);
    process.off("SIGTERM", onSignal);
  }
}

/** Resolves at Ctrl-C or SIGTERM, for work that has no other end; a second one stops the process at once. */
export function untilInterrupted(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => resolve());
  });
}
