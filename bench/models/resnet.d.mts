import type { NamedArray } from "#repvgg/core/named-arrays.js";
import type { Graph } from "#repvgg/graph/graph.js";

export function resnet(
  depth: 18 | 34 | 50 | 101,
  options?: {
    readonly classes?: number;
    readonly width?: number;
    readonly seed?: number;
    readonly weights?: (name: string, shape: readonly number[]) => NamedArray;
  },
): Graph;
