import { setFlagsFromString } from "node:v8";
import type { Backend } from "#repvgg/backend/backend.js";
import { createNativeBackend, nativeVariants } from "#repvgg/backend/native/native-backend.js";
import { createBackend } from "#repvgg/backend/select.node.js";
import { relaxedObstacle } from "#repvgg/backend/wasm/relaxed.js";
import type { Equality } from "../../scripts/kernel-list.mjs";

// Node 20 has relaxed SIMD behind a flag, later ones have it.
if (relaxedObstacle()) setFlagsFromString("--experimental-wasm-relaxed-simd");

/** Kernels of one kind, which give the same bits on any number of threads. */
export interface BackendKind {
  readonly name: string;
  /** Whether multiply-adds are fused; undefined where the processor decides. */
  readonly fuses: boolean | undefined;
  create(threads: number): Promise<Backend>;
}

export interface TestedBackend {
  readonly name: string;
  readonly kind: BackendKind;
  create(): Promise<Backend>;
}

/** WebAssembly with and without relaxed SIMD, and of the native kernels every instruction set that this machine has. */
export const backendKinds: readonly BackendKind[] = [
  { name: "wasm", fuses: false, create: (threads) => createBackend({ threads, kernels: "wasm" }) },
  {
    name: "wasm relaxed",
    fuses: undefined,
    create: (threads) => createBackend({ threads, kernels: "wasm", relaxed: "on" }),
  },
  ...nativeVariants().map((variant) => ({
    name: `native ${variant}`,
    fuses: variant !== "x86-64",
    create: async (threads: number) => createNativeBackend(threads, variant),
  })),
];

/** Names of the kinds whose bits a kernel must have alike, in groups, as kernels/kernels.def says it. */
export function alike(bits: Equality): readonly (readonly string[])[] {
  const thatFuse = (fuses: boolean) => backendKinds.filter((kind) => kind.fuses === fuses).map(({ name }) => name);
  if (bits === "all") return [backendKinds.map(({ name }) => name)];
  return bits === "fused" ? [thatFuse(false), thatFuse(true)] : [thatFuse(false)];
}

/** Every backend that must pass the conformance suite. */
export const backends: readonly TestedBackend[] = backendKinds.flatMap((kind) =>
  // Relaxed kernels are the others' with another rounding: once is enough.
  (kind.name === "wasm relaxed" ? [2] : [1, 2, 3]).map((threads) => ({
    name: `${kind.name}, ${threads} thread${threads === 1 ? "" : "s"}`,
    kind,
    create: () => kind.create(threads),
  })),
);
