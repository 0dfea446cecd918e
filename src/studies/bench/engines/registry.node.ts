import { nativeAbsence } from "../../../backend/native/native-backend.js";
import type { BenchEngine } from "../job.js";
import { onnxruntimeNode, onnxruntimeWeb } from "./onnxruntime.node.js";
import { ncnn, pytorch } from "./python.node.js";
import { type OwnOptions, repvggEngine } from "./repvgg.node.js";
import { tfjs } from "./tfjs.node.js";

/** Other people's engines, run where they are installed. */
const peers: Readonly<Record<string, BenchEngine>> = {
  "onnxruntime-node": onnxruntimeNode,
  "onnxruntime-web": onnxruntimeWeb,
  ncnn,
  pytorch,
  tfjs,
};

export const peerNames = Object.keys(peers);

/**
 * Kernels that this package can be timed on: of each kind, native ones with float16 weights, and WebAssembly with relaxed SIMD, whose
 * multiply-adds are fused.
 */
const kernelOptions: Readonly<Record<string, OwnOptions>> = {
  native: { kernels: "native" },
  "native-f16": { kernels: "native", halfWeights: true },
  wasm: { kernels: "wasm" },
  "wasm-relaxed": { kernels: "wasm", relaxed: "on" },
};

export const ownKernels = Object.keys(kernelOptions);

/** This package's engines on this machine, one for each of {@link ownKernels} that there is, the fastest first. */
export function ownEngines(): string[] {
  return ownKernels.filter((kernels) => !kernels.startsWith("native") || nativeAbsence() === undefined).map(ownEngine);
}

/** The engine that is this package on some of {@link ownKernels}. */
export function ownEngine(kernels: string): string {
  return `repvgg:${kernels}`;
}

/** "repvgg" (the fastest kernels), {@link ownEngine}, or one of {@link peerNames}. */
export function engineNamed(name: string): BenchEngine | undefined {
  if (name === "repvgg") return repvggEngine();
  const kernels = ownKernels.find((known) => ownEngine(known) === name);
  return kernels === undefined ? peers[name] : repvggEngine(kernelOptions[kernels]);
}
