import { describe, expect, it } from "vitest";
import { ConstantStore } from "#repvgg/engine/constant-store.js";
import { buildPlan } from "#repvgg/engine/plan/plan.js";
import { PlanCache } from "#repvgg/engine/plan-cache.js";
import { GraphBuilder, valueInfo } from "#repvgg/graph/build.js";
import { backendOf } from "../tensor/backends.js";

const backend = backendOf(2);

/** y = max(0, x) for vectors of any length, its plans counted as they are built. */
function countingCache(capacity: number) {
  const b = new GraphBuilder();
  b.add("Relu", "y", ["x"]);
  const graph = b.graph("g", [valueInfo("x", ["n"])], [valueInfo("y", ["n"])]);
  const built: number[] = [];
  const cache = new PlanCache(
    backend,
    new ConstantStore(backend),
    (inputShapes) => {
      built.push(inputShapes["x"]![0]!);
      const noConvolution = () => {
        throw new Error("there is no convolution");
      };
      const noConvolutions = {
        planConvolution: noConvolution,
        planTransposedConvolution: noConvolution,
        planByteConvolution: noConvolution,
      };
      return buildPlan(graph, { inputShapes, features: [], fuseBatchNorm: true, ...noConvolutions });
    },
    capacity,
  );
  return { cache, built, get: (n: number) => cache.get({ x: [n] }) };
}

function run({ plan, arena, run: start }: ReturnType<PlanCache["get"]>): number[] {
  const [input, output] = [plan.inputs[0]!, plan.outputs[0]!];
  backend.f32(arena + input.offset, input.words).fill(3);
  start();
  return [...backend.f32(arena + output.offset, output.words)];
}

describe("a plan cache", () => {
  it("drops the plan that was not used for longest, not the one made first", () => {
    const { cache, built, get } = countingCache(3);
    for (const n of [1, 2, 3, 1, 4, 1, 3, 4]) get(n); // 4 takes the place of 2
    expect(built).toEqual([1, 2, 3, 4]);
    get(2); // of 1, 3 and 4 the first is the oldest
    for (const n of [3, 4]) get(n);
    expect(built).toEqual([1, 2, 3, 4, 2]);
    get(1);
    expect(built).toEqual([1, 2, 3, 4, 2, 1]);
    cache.dispose();
  });

  it("runs plans where the arena is now, whoever has got the old one's memory", () => {
    const { cache, get } = countingCache(3);
    const before = backend.memory.usedWords;
    expect(run(get(8000))).toEqual(Array(8000).fill(3));
    const old = get(8000).arena;
    const fence = backend.allocate(16); // so that the larger arena does not begin there
    expect(run(get(100_000))).toHaveLength(100_000);
    // All free places get somebody else's numbers, the old arena's among them.
    const taken = Array.from({ length: 2000 }, () => backend.allocate(16));
    expect(taken.some((place) => place >= old && place < old + 8000)).toBe(true);
    for (const place of taken) backend.f32(place, 16).fill(7);
    expect(run(get(8000))).toEqual(Array(8000).fill(3));
    for (const place of taken) {
      expect(backend.f32(place, 16).every((value) => value === 7)).toBe(true);
      backend.free(place);
    }
    backend.free(fence);
    cache.dispose();
    expect(backend.memory.usedWords).toBe(before);
  });
});
