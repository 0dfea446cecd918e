import type { BenchEngine } from "../job.js";
import { onnxruntimeNode, onnxruntimeWeb } from "./onnxruntime.node.js";
import { repvggEngine } from "./repvgg.node.js";
import { tfjs } from "./tfjs.node.js";

/** Other people's engines, run where they are installed. */
const peers: Readonly<Record<string, BenchEngine>> = {
  "onnxruntime-node": onnxruntimeNode,
  "onnxruntime-web": onnxruntimeWeb,
  tfjs,
};

export const peerNames = Object.keys(peers);

/** "repvgg" (the fastest kernels), "repvgg:wasm", … (kernels of a kind), or a peer. */
export function engineNamed(name: string): BenchEngine | undefined {
  if (name === "repvgg") return repvggEngine();
  const kind = kindOf(name);
  return kind === undefined ? peers[name] : repvggEngine(kind);
}

/** The kind of kernels that an engine's name asks for. */
export function kindOf(name: string): string | undefined {
  return name.startsWith("repvgg:") ? name.slice("repvgg:".length) : undefined;
}
