import type { Backend } from "#repvgg/backend/backend.js";
import { createBackend } from "#repvgg/backend/select.node.js";

/** Every backend that must pass the conformance suite. */
export const backends: readonly { readonly name: string; create(): Promise<Backend> }[] = [
  { name: "wasm, 1 thread", create: () => createBackend({ threads: 1 }) },
  { name: "wasm, 2 threads", create: () => createBackend({ threads: 2 }) },
  { name: "wasm, 3 threads", create: () => createBackend({ threads: 3 }) },
];
