/** What is held against each file of tests/fixtures/third-party. */
export type Check = "evaluator" | "fold" | "count" | "proof" | "native" | "wasm";

interface Gap {
  readonly check: Check | readonly Check[];
  readonly reason: string;
  /** Names in index.json for all exports of a fixture, or "blocks/NAME-bn" for one. */
  readonly of: readonly string[];
}

/** What is known to fall short today, and why. A gap that closes fails its test until it is taken out here: the table only shrinks. */
export const knownGaps: readonly Gap[] = [
  { check: ["native", "wasm"], reason: "the engine has no GRU", of: ["behind-recurrent"] },
  {
    check: ["native", "wasm"],
    reason: "the engine reads no value whose size depends on numbers (what NonMaxSuppression picks)",
    of: ["detector-net-suppression"],
  },
];
