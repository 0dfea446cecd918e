import type { GraphNode } from "../graph/graph.js";
import { axisAttribute } from "../graph/operator/checks.js";
import { sliceRange, sliceRanges } from "../operators/slice.js";
import { splitSizes } from "../operators/split.js";
import type { Lowering } from "./context.js";
import { lacking } from "./lacking.js";
import type { Tensor } from "./step.js";
import { createLike, emitCopies, stepsOf } from "./strided.js";

/** Slice along any axes, backwards too, by places that are constant. */
export function lowerSlice(lowering: Lowering, node: GraphNode): void {
  const x = lowering.tensor(node.inputs[0]!, node);
  const ranges = sliceRanges(lowering.context(node), x.shape.length);
  if (!ranges) throw lacking(node, "constant starts, ends, axes and steps", "computed ones");
  const first = x.shape.map(() => 0);
  const steps = x.shape.map(() => 1);
  for (const { axis, start, end, step } of ranges) {
    first[axis] = sliceRange(x.shape[axis]!, start, end, step).start;
    steps[axis] = step;
  }
  lowering.define(node.outputs[0]!, part(lowering, node, x, node.outputs[0]!, first, steps));
}

/** Split: every part that something reads is a slice. */
export function lowerSplit(lowering: Lowering, node: GraphNode): void {
  const x = lowering.tensor(node.inputs[0]!, node);
  const context = lowering.context(node);
  const axis = axisAttribute(context, "axis", 0, x.shape.length);
  const sizes = splitSizes(context, x.shape[axis]);
  if (!sizes) throw lacking(node, "constant sizes of parts", "computed ones");
  let from = 0;
  node.outputs.forEach((name, i) => {
    const first = x.shape.map((_, a) => (a === axis ? from : 0));
    from += sizes[i]!;
    if (name === "" || !lowering.graph.uses.has(name)) return;
    const steps = x.shape.map(() => 1);
    lowering.define(name, part(lowering, node, x, name, first, steps));
  });
}

/** What a value of the output's shape shows of `x`, from `first` on and `steps` apart. */
function part(
  lowering: Lowering,
  node: GraphNode,
  x: Tensor,
  name: string,
  first: readonly number[],
  steps: readonly number[],
): Tensor {
  const shape = lowering.shapeOf(name);
  if (`${shape}` === `${x.shape}` && steps.every((step) => step === 1)) return x;
  const output = createLike(lowering, name, shape, x);
  const [read, written] = [stepsOf(x), stepsOf(output)];
  const axes = shape.map((size, axis) => ({ size, from: read[axis]! * steps[axis]!, to: written[axis]! }));
  const from = first.reduce((offset, index, axis) => offset + index * read[axis]!, 0);
  return emitCopies(lowering, node, output, [{ source: x, axes, from }]);
}
