import type { Command } from "commander";

/** A command before its module is loaded: what the list of commands shows of it. */
export interface CommandEntry {
  readonly name: string;
  /** One line without a full stop. */
  readonly summary: string;
  /** It has a command of its own, behind whose name options are that command's. */
  readonly nested?: boolean;
  /** Its options may come from a file (`--config`). */
  readonly configurable?: boolean;
  /** Loads the module, with all that the command computes with. */
  load(): Promise<() => Command>;
}

/** All commands, in the order of help. Only the one that is asked for is loaded: the others cost a name and a line. */
export const commandEntries: readonly CommandEntry[] = [
  {
    name: "quickstart",
    summary: "the whole job in small: train, fold, verify, predict",
    load: async () => (await import("./quickstart.js")).quickstartCommand,
  },
  {
    name: "train",
    summary: "train a net with branches on pictures",
    configurable: true,
    load: async () => (await import("./train.js")).trainCommand,
  },
  {
    name: "eval",
    summary: "accuracy of a model on labelled pictures",
    load: async () => (await import("./eval.js")).evalCommand,
  },
  {
    name: "ablate",
    summary: "train the paper's variants of a net and compare them",
    nested: true,
    load: async () => (await import("./ablate.js")).ablateCommand,
  },
  {
    name: "fold",
    summary: "fold a net's branches into single convolutions",
    load: async () => (await import("./fold.js")).foldCommand,
  },
  {
    name: "quantize",
    summary: "make integers of a net's weights and activations",
    load: async () => (await import("./quantize.js")).quantizeCommand,
  },
  {
    name: "verify",
    summary: "prove that two nets give the same outputs",
    load: async () => (await import("./verify.js")).verifyCommand,
  },
  {
    name: "export",
    summary: "write a net for PyTorch, timm, mmpretrain or ONNX",
    load: async () => (await import("./export.js")).exportCommand,
  },
  {
    name: "predict",
    summary: "say what pictures show",
    load: async () => (await import("./predict.js")).predictCommand,
  },
  {
    name: "profile",
    summary: "what a net costs, layer by layer: numbers, time, memory",
    load: async () => (await import("./profile.js")).profileCommand,
  },
  {
    name: "bench",
    summary: "time nets, beside other engines where they are installed",
    load: async () => (await import("./bench.js")).benchCommand,
  },
  {
    name: "info",
    summary: "what a file or a net of the zoo is",
    load: async () => (await import("./info.js")).infoCommand,
  },
  {
    name: "data",
    summary: "look through a data set for what spoils training",
    load: async () => (await import("./data.js")).dataCommand,
  },
  {
    name: "pull",
    summary: "get published weights from a hub",
    load: async () => (await import("./pull.js")).pullCommand,
  },
  {
    name: "push",
    summary: "put a net on a hub, with its model card",
    load: async () => (await import("./push.js")).pushCommand,
  },
  {
    name: "cache",
    summary: "list or clear what was downloaded",
    load: async () => (await import("./cache.js")).cacheCommand,
  },
  {
    name: "playground",
    summary: "watch a net fold, classify and learn, in the browser",
    load: async () => (await import("./playground.js")).playgroundCommand,
  },
];
