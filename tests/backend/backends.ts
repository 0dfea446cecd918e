import { setFlagsFromString } from "node:v8";
import type { Backend } from "#repvgg/backend/backend.js";
import { createNativeBackend, nativeVariants } from "#repvgg/backend/native/native-backend.js";
import { createBackend } from "#repvgg/backend/select.node.js";
import { relaxedObstacle } from "#repvgg/backend/wasm/relaxed.js";

// Node 20 has relaxed SIMD behind a flag, later ones have it.
if (relaxedObstacle()) setFlagsFromString("--experimental-wasm-relaxed-simd");

/** Kernels of one kind, which give the same bits on any number of threads. */
export interface BackendKind {
  readonly name: string;
  create(threads: number): Promise<Backend>;
}

export interface TestedBackend {
  readonly name: string;
  readonly kind: BackendKind;
  create(): Promise<Backend>;
}

/** WebAssembly with and without relaxed SIMD, and of the native kernels every instruction set that this machine has. */
export const backendKinds: readonly BackendKind[] = [
  { name: "wasm", create: (threads) => createBackend({ threads, kernels: "wasm" }) },
  { name: "wasm relaxed", create: (threads) => createBackend({ threads, kernels: "wasm", relaxed: "on" }) },
  ...nativeVariants().map((variant) => ({
    name: `native ${variant}`,
    create: async (threads: number) => createNativeBackend(threads, variant),
  })),
];

/** Every backend that must pass the conformance suite. */
export const backends: readonly TestedBackend[] = backendKinds.flatMap((kind) =>
  // Relaxed kernels are the others' with another rounding: once is enough.
  (kind.name === "wasm relaxed" ? [2] : [1, 2, 3]).map((threads) => ({
    name: `${kind.name}, ${threads} thread${threads === 1 ? "" : "s"}`,
    kind,
    create: () => kind.create(threads),
  })),
);
