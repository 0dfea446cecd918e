import { elementCount } from "../../core/named-arrays.js";
import { lacking } from "../../lowering/lacking.js";
import type { PreparedGraph } from "../../lowering/prepare.js";

/** Kernels count elements in 32 bits. */
const mostElements = 2 ** 31 - 1;

/** Memory of no words is nobody's, and more than kernels can count is no memory. @throws UserError that names the first node of such a result. */
export function checkExtents({ nodes, shapes }: PreparedGraph): void {
  for (const node of nodes) {
    for (const output of node.outputs) {
      const shape = shapes.get(output);
      if (!shape) continue;
      const received = `"${output}" of shape [${shape}]`;
      if (shape.includes(0)) throw lacking(node, "results of at least one element", received);
      if (elementCount(shape) > mostElements)
        throw lacking(node, `results of at most ${mostElements} elements`, received);
    }
  }
}
