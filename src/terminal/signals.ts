import { exitCodes } from "./exit-codes.js";
import { endProgress } from "./progress.js";

const signals = ["SIGINT", "SIGTERM"] as const;

/** How the work under way ends at a signal; undefined: at once. */
let gracefully: (() => void) | undefined;
let holders = 0;

function onSignal(): void {
  if (gracefully) gracefully();
  else endAtOnce();
}

export function endAtOnce(): never {
  endProgress();
  process.exit(exitCodes.interrupted);
}

/**
 * Takes Ctrl-C and SIGTERM until the function that is returned is called: they end the bar's line and the process. Where nobody takes
 * them they end the process even while it computes, and there is no line to end.
 * @param ending called instead, each time
 */
export function takeSignals(ending?: () => void): () => void {
  if (ending) gracefully = ending;
  if (holders++ === 0) for (const signal of signals) process.on(signal, onSignal);
  let held = true;
  return () => {
    if (!held) return;
    held = false;
    if (ending) gracefully = undefined;
    if (--holders === 0) for (const signal of signals) process.off(signal, onSignal);
  };
}

/** Resolves at Ctrl-C or SIGTERM, for work that has no other end; a second one stops the process at once. */
export function untilInterrupted(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of signals) process.once(signal, () => resolve());
  });
}
