import { expect, it } from "vitest";
import { blockView, pairValues } from "#repvgg/analysis/diagnosis/blocks.js";
import { distance, inCommonFrame, type Kernel, withGroups } from "#repvgg/analysis/diagnosis/kernel.js";
import { Rng } from "#repvgg/core/rng.js";
import { convolve } from "#repvgg/verify/proof/convolve.js";
import { verifyModels } from "#repvgg/verify/verify-models.js";
import { RandomNet } from "../../graph/support.js";

function kernel(groups: number, seed = 1): Kernel {
  const rng = new Rng(seed);
  const numbers = (count: number) => Float64Array.from({ length: count }, () => rng.normal());
  return {
    ...{ outChannels: 8, inChannels: 12, groups, kernelSize: [2, 3], strides: [1, 1], pads: [0, 0, 0, 0] },
    ...{ dilations: [1, 1], weight: numbers((8 * 12 * 6) / groups), bias: numbers(8) },
  };
}

/** What a kernel makes of a random input. */
function applied({ weight, bias, ...geometry }: Kernel): Float64Array {
  const rng = new Rng(2);
  const value = Float64Array.from({ length: 12 * 5 * 5 }, () => rng.normal());
  return convolve({ shape: [1, 12, 5, 5], value, magnitude: value.map(Math.abs) }, weight, bias, geometry).value;
}

it.each([
  [4, 2],
  [4, 1],
  [2, 1],
  [4, 4],
])("a kernel of %i groups written with %i is the same map", (groups, fewer) => {
  const own = kernel(groups);
  const other = withGroups(own, fewer);
  expect(other.groups).toBe(fewer);
  const [a, b] = [applied(own), applied(other)];
  a.forEach((value, i) => void expect(b[i]).toBeCloseTo(value, 12));
  expect(distance(own, other)).toMatchObject({ weight: 0, bias: 0 });
});

it("kernels of other groups meet in the groups that both can be written with", () => {
  const [a, b] = inCommonFrame(withGroups(kernel(4), 2), kernel(4, 3));
  expect([a.groups, b.groups]).toEqual([2, 2]);
  expect(distance(kernel(4), kernel(4, 3))!.weight).toBeGreaterThan(0.5);
});

it("convolutions without the optional kernel_shape are compared", async () => {
  const net = new RandomNet(3);
  net.randomConv("y", "x", 3, 4, [3, 5], { padding: [1, 2] });
  const graph = net.finish([1, 3, 8, 8], "y");
  const bare = {
    ...graph,
    nodes: graph.nodes.map(({ attributes: { kernel_shape: _, ...attributes }, ...node }) => ({ ...node, attributes })),
  };
  expect(blockView(bare).blocks[0]!.geometry).toEqual(blockView(graph).blocks[0]!.geometry);
  expect(pairValues(bare, graph)).toEqual([{ reference: "y", candidate: "y" }]);
  const rng = new Rng(4);
  const input = { shape: [2, 3, 8, 8], data: Float32Array.from({ length: 384 }, () => rng.normal()) };
  expect(await verifyModels(bare, graph, [input], {})).toMatchObject({ verdict: "same", values: [{ name: "y" }] });
});
