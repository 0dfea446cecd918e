import { afterAll, describe, expect, it } from "vitest";
import { createBackend } from "#repvgg/backend/select.node.js";
import { UserError } from "#repvgg/core/errors.js";
import { Rng } from "#repvgg/core/rng.js";
import { foldNet } from "#repvgg/exchange/fold-net.js";
import type { Net } from "#repvgg/exchange/net.js";
import { GraphBuilder, valueInfo } from "#repvgg/graph/build.js";
import type { Graph } from "#repvgg/graph/graph.js";
import { compareNets } from "#repvgg/verify/compare.js";
import { foldVerified } from "#repvgg/verify/fold-verified.node.js";
import { normal } from "../graph/support.js";

const backend = await createBackend({ threads: 1 });
afterAll(() => backend.dispose());

const netOf = (graph: Graph): Net => ({ graph, model: undefined, source: { notes: [] } }) as unknown as Net;

function convolution(of: "input" | "constant", outputs: readonly string[]): Graph {
  const b = new GraphBuilder();
  if (of === "constant") b.constant("x", normal(new Rng(3), [1, 3, 5, 5]));
  b.add("Relu", "y", [b.conv("c", "x", normal(new Rng(4), [4, 3, 3, 3]))]);
  const inputs = of === "input" ? [valueInfo("x", [1, 3, 5, 5])] : [];
  return b.graph(
    "ends",
    inputs,
    outputs.map((name) => valueInfo(name, [1, 4, 3, 3])),
  );
}

describe("a net without outputs", () => {
  const graph = convolution("input", []);

  it("is neither folded nor proven", async () => {
    expect(() => foldNet(netOf(graph))).toThrow(UserError);
    await expect(foldVerified(netOf(graph))).rejects.toThrow(
      /expected a net with outputs, received "ends", which has none/,
    );
  });

  it("is not compared, on either side", async () => {
    const other = convolution("input", ["y"]);
    for (const [a, b] of [
      [graph, graph],
      [other, graph],
      [graph, other],
    ] as const) {
      await expect(compareNets(backend, netOf(a), netOf(b), {})).rejects.toThrow(/a net with outputs/);
    }
  });
});

describe("a net without inputs", () => {
  it("is compared once: it gives constants", async () => {
    const { verification } = await foldVerified(netOf(convolution("constant", ["y"])));
    expect(verification.samples).toBe(1);
    expect(verification.agree).toBe(true);
  });

  it("is found where its constants differ", async () => {
    const graph = convolution("constant", ["y"]);
    const initializers = new Map(graph.initializers).set("x", normal(new Rng(5), [1, 3, 5, 5]));
    const result = await compareNets(backend, netOf(graph), netOf({ ...graph, initializers }), {});
    expect(result.agree).toBe(false);
    expect(result.verdict).toBe("different");
  });
});
