import { join } from "node:path";

/**
 * Modules that pages do without, and what stands in their place: operators that are never run there (bodies of control flow among them), and the check
 * of kernel calls, which only an environment variable of Node's asks for.
 */
const replacements = {
  "operators/further.js": "export const furtherOperators = [];",
  "graph/check-subgraphs.js": "export const checkSubgraphs = () => {};",
  "lowering/einsum-product.js": "export const einsumProduct = () => false;",
  "backend/check-calls.js": "export const checksKernels = false; export const checkCalls = () => {};",
};

/** A plugin of Rolldown and Vite that leaves them out. */
export function withoutInPages() {
  return {
    name: "without-in-pages",
    load: (id) => Object.entries(replacements).find(([file]) => id.endsWith(join("dist", file)))?.[1],
  };
}
