import { expanded } from "../graph/evaluate/broadcast.js";
import { tensor64 } from "../graph/evaluate/tensor64.js";
import { broadcasted } from "../graph/operator/checks.js";
import type { Operator } from "../graph/operator/operator.js";
import { all, signature } from "../graph/operator/signature.js";
import { broadcastShapes } from "../graph/shapes.js";

const own = signature("condition:bool X:T Y:T -> output:T", { T: all });

/** X where the condition holds, else Y; all three broadcast. */
export const where: Operator = {
  name: "Where",
  versions: [9, 16],
  signature: () => own,
  infer: (context) => [broadcasted(context, [0, 1, 2])],
  evaluate: ({ inputs }) => {
    const shape = inputs.reduce<number[]>((to, x) => broadcastShapes(to, x!.shape) as number[], []);
    const [condition, x, y] = inputs.map((value) => expanded(value!, shape).data);
    return [
      tensor64(
        shape,
        condition!.map((c, i) => (c === 0 ? y![i]! : x![i]!)),
        inputs[1]!.dtype,
      ),
    ];
  },
};
