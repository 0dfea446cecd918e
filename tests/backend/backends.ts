import type { Backend } from "#repvgg/backend/backend.js";
import { createNativeBackend, nativeVariants } from "#repvgg/backend/native/native-backend.js";
import { createBackend } from "#repvgg/backend/select.node.js";

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

/** WebAssembly, and of the native kernels every instruction set that this machine has. */
export const backendKinds: readonly BackendKind[] = [
  { name: "wasm", create: (threads) => createBackend({ threads, kernels: "wasm" }) },
  ...nativeVariants().map((variant) => ({
    name: `native ${variant}`,
    create: async (threads: number) => createNativeBackend(threads, variant),
  })),
];

/** Every backend that must pass the conformance suite. */
export const backends: readonly TestedBackend[] = backendKinds.flatMap((kind) =>
  [1, 2, 3].map((threads) => ({
    name: `${kind.name}, ${threads} thread${threads === 1 ? "" : "s"}`,
    kind,
    create: () => kind.create(threads),
  })),
);
