import { nativeAbsence } from "../../../backend/native/native-backend.js";
import { backendKinds } from "../../../backend/options.js";
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

/** This package's engines on this machine, one for each kind of kernels that there is, the fastest first. */
export function ownEngines(): string[] {
  return backendKinds.filter((kind) => kind !== "native" || nativeAbsence() === undefined).map(ownEngine);
}

/** The engine that is this package on kernels of a kind. */
export function ownEngine(kind: string): string {
  return `repvgg:${kind}`;
}

/** "repvgg" (the fastest kernels), {@link ownEngine}, or one of {@link peerNames}. */
export function engineNamed(name: string): BenchEngine | undefined {
  if (name === "repvgg") return repvggEngine();
  const kind = backendKinds.find((known) => ownEngine(known) === name);
  return kind === undefined ? peers[name] : repvggEngine(kind);
}
