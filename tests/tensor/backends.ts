import { afterAll } from "vitest";
import type { Backend } from "#repvgg/backend/backend.js";
import { createBackend } from "#repvgg/backend/select.node.js";

const backends = [await createBackend({ threads: 1 }), await createBackend({ threads: 2 })] as const;

afterAll(() => {
  for (const backend of backends) backend.dispose();
});

/** One backend for each number of threads, shared by the tests of a file. */
export function backendOf(threads: 1 | 2): Backend {
  return backends[threads - 1]!;
}
