/** How a command can end. 70 is sysexits' EX_SOFTWARE; 130 is what shells have for Ctrl-C: 128 + SIGINT. */
export const exitCodes = { done: 0, userError: 1, verificationFailed: 2, bug: 70, interrupted: 130 } as const;

export type Ending = keyof typeof exitCodes;

/** Every ending in words, as help has them. */
export const endings: Readonly<Record<Ending, string>> = {
  done: "done",
  userError: "wrong input",
  verificationFailed: "verification failed",
  bug: "a bug of ours",
  interrupted: "interrupted",
};
