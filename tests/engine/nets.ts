import type { NamedArray } from "#repvgg/core/named-arrays.js";
import { f32 } from "#repvgg/core/named-arrays.js";
import { rngFor } from "#repvgg/core/rng.js";
import { readSafetensorsFile } from "#repvgg/formats/safetensors/file.node.js";
import { readTorchFile } from "#repvgg/formats/torch/file.node.js";
import type { Graph } from "#repvgg/graph/graph.js";
import type { Architecture, Form } from "#repvgg/nn/architecture.js";
import { type ArchitectureSpec, architecture } from "#repvgg/nn/build-architecture.js";
import { conformState } from "#repvgg/nn/check-state.js";
import { initialState } from "#repvgg/nn/initialize.js";
import { stateSchema } from "#repvgg/nn/state-schema.js";
import { toGraph } from "#repvgg/nn/to-graph.js";
import { oraclePath } from "../formats/fixtures.js";

/** A net with random weights and BatchNorm statistics as after training, as a graph. */
export function randomNet(spec: ArchitectureSpec, form: Form): Graph {
  const net = architecture({ classes: 5, ...spec });
  const state = new Map(initialState(net, form, 3));
  for (const { name, kind } of stateSchema(net, form).values()) {
    if (kind.startsWith("bn-") && kind !== "bn-count") state.set(name, randomized(name, state.get(name)!, kind));
  }
  return toGraph({ architecture: net, form, state });
}

function randomized(name: string, { shape }: NamedArray, kind: string): NamedArray {
  const rng = rngFor(5, name);
  const positive = kind === "bn-weight" || kind === "bn-var";
  return f32(
    shape,
    Float32Array.from({ length: shape[0]! }, () => (positive ? rng.uniform(0.3, 0.9) : rng.uniform(-0.3, 0.3))),
  );
}

/** Structures of tests/fixtures/oracles (index.json). */
export const oracleNets = {
  tiny: oracleArchitecture({ widthMultipliers: [0.125, 0.125, 0.125, 0.125] }),
  "tiny-g4": oracleArchitecture({ widthMultipliers: [0.125, 0.125, 0.125, 0.125], groups: { 2: 4, 4: 4, 6: 4 } }),
  "tiny-se": oracleArchitecture({
    widthMultipliers: [0.25, 0.25, 0.25, 0.25],
    squeezeExcite: { position: "before-relu", ratio: 16 },
  }),
  "tiny-plus": oracleArchitecture({
    family: "repvggplus",
    widthMultipliers: [0.125, 0.125, 0.125, 0.125],
    squeezeExcite: { position: "after-relu", ratio: 4 },
  }),
} as const;

function oracleArchitecture(spec: ArchitectureSpec): Architecture {
  return architecture({ depths: [1, 2, 4, 1], classes: 10, ...spec });
}

/** The authors' net with the authors' weights: training form, or as they fold it themselves. */
export async function oracleGraph(name: keyof typeof oracleNets, form: Form): Promise<Graph> {
  const { arrays } = await readTorchFile(oraclePath(`${name}-${form === "train" ? "train" : "deploy"}.pth`));
  const net = oracleNets[name];
  return toGraph({ architecture: net, form, state: conformState(arrays, stateSchema(net, form)) });
}

/** The inputs and the authors' outputs. */
export async function oracleIo(name: keyof typeof oracleNets): Promise<{ input: NamedArray; logits: NamedArray }> {
  const { arrays } = await readSafetensorsFile(oraclePath(`${name}-io.safetensors`));
  return { input: arrays.get("input")!, logits: arrays.get("logits")! };
}
