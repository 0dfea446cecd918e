import { intAttribute } from "../graph/attributes.js";
import { gatherElements } from "../graph/evaluate/broadcast.js";
import type { Dimension } from "../graph/graph.js";
import { choice, ranked } from "../graph/operator/checks.js";
import { type NodeContext, type Operator, refuse } from "../graph/operator/operator.js";
import { all, signature } from "../graph/operator/signature.js";

const own = signature("input:T -> output:T", { T: all });

export function blockSize(context: NodeContext): number {
  const size = intAttribute(context.node, "blocksize", 0);
  return size >= 1 ? size : refuse(context, "a blocksize of at least 1", String(size));
}

/** Whether the block's place is counted before the channels (DCR) or after them (CRD, since version 11). */
export function depthMode(context: NodeContext): "DCR" | "CRD" {
  return context.version < 11 ? "DCR" : choice(context, "mode", ["DCR", "CRD"], "DCR");
}

const times = (size: Dimension, factor: number): Dimension =>
  typeof size === "number" ? size * factor : factor === 1 ? size : `${size}*${factor}`;

const depthToSpace: Operator = {
  name: "DepthToSpace",
  versions: [1, 11, 13],
  signature: () => own,
  infer(context) {
    const x = ranked(context, 0, [4], "images [N, C, H, W]");
    const block = blockSize(context);
    depthMode(context);
    if (!x) return [undefined];
    const [n, channels, height, width] = x;
    if (typeof channels === "number" && channels % block ** 2 !== 0)
      refuse(context, `channels that ${block ** 2} divides`, String(channels));
    const depth = typeof channels === "number" ? channels / block ** 2 : `${context.node.outputs[0]}:1`;
    return [[n, depth, times(height, block), times(width, block)]];
  },
  evaluate: (call) => {
    const x = call.inputs[0]!;
    const block = blockSize(call);
    const depth = x.shape[1] / block ** 2;
    const depthLast = depthMode(call) === "DCR";
    return [
      gatherElements(x, call.outputShapes[0]!, ([n, d, y, z]) => {
        const place = (y % block) * block + (z % block);
        return [
          n,
          depthLast ? place * depth + d : d * block ** 2 + place,
          Math.floor(y / block),
          Math.floor(z / block),
        ];
      }),
    ];
  },
};

const spaceToDepth: Operator = {
  name: "SpaceToDepth",
  versions: [1, 13],
  signature: () => own,
  infer(context) {
    const x = ranked(context, 0, [4], "images [N, C, H, W]");
    const block = blockSize(context);
    if (!x) return [undefined];
    const part = (size: Dimension, axis: number): Dimension => {
      if (typeof size === "string") return block === 1 ? size : `${context.node.outputs[0]}:${axis}`;
      return size % block === 0
        ? size / block
        : refuse(context, `height and width that ${block} divides`, String(size));
    };
    return [[x[0], times(x[1], block ** 2), part(x[2], 2), part(x[3], 3)]];
  },
  evaluate: (call) => {
    const x = call.inputs[0]!;
    const block = blockSize(call);
    const channels = x.shape[1];
    return [
      gatherElements(x, call.outputShapes[0]!, ([n, d, y, z]) => {
        const place = Math.floor(d / channels);
        return [n, d % channels, y * block + Math.floor(place / block), z * block + (place % block)];
      }),
    ];
  },
};

export const depthOperators: readonly Operator[] = [depthToSpace, spaceToDepth];
