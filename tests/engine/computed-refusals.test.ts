import { describe, expect, it } from "vitest";
import { createSession } from "#repvgg/engine/session.js";
import { int } from "#repvgg/graph/attributes.js";
import { type GraphBuilder, int64 } from "#repvgg/graph/build.js";
import { backendOf } from "../tensor/backends.js";
import { expectAsDefined, graphOf, randomArray } from "./compare.js";

const backend = backendOf(2);

/** Whole numbers that the input holds, as int64. */
const whole = (b: GraphBuilder): string => b.add("Cast", "whole", ["x"], { to: int(7) });

describe("what only shows as a net runs", () => {
  it.each([
    ["Gather", [4, 3]],
    ["GatherElements", [4, 3]],
  ])("an index outside of %s is refused by name, and the session goes on", (op, shape) => {
    const graph = graphOf([2, 3], (b) => [
      b.add(op, "picked", [b.constant("table", randomArray("table", shape)), whole(b)], { axis: int(0) }),
    ]);
    const session = createSession(graph, { backend, shape: [2, 3] });
    const run = (...x: number[]) => session.run(Float32Array.from(x));
    const right = run(0, 1, 2, 3, -1, -4);
    for (const wrong of [4, -5, 1e9, Number.NaN, Number.NEGATIVE_INFINITY]) {
      expect(() => run(0, 1, 2, 3, -1, wrong)).toThrow(
        new RegExp(`^expected indices from -4 to 3 in node "picked" \\(${op}\\), received others`),
      );
      expect(run(0, 1, 2, 3, -1, -4)).toEqual(right);
    }
    session.dispose();
  });

  it.each([
    ["Add", 2 ** 23, 2 ** 22],
    ["Sub", -(2 ** 23), 2 ** 22],
    ["Mul", 5000, 3000],
  ])("whole numbers that %s makes larger than float32 holds are refused", (op, wrong, right) => {
    const graph = graphOf([1, 2], (b) => {
      const y = whole(b);
      b.constant("k", int64([3, op === "Sub" ? 2 ** 23 : op === "Mul" ? 4097 : 2 ** 23]));
      return [b.add(op, "result", [y, "k"])];
    });
    const session = createSession(graph, { backend, shape: [1, 2] });
    expect([...session.run(Float32Array.of(1, right))["result"]!.data]).toHaveLength(2);
    expect(() => session.run(Float32Array.of(1, wrong))).toThrow(
      new RegExp(`^expected whole numbers below 2\\^24 as result of node "result" \\(${op}\\), received larger ones`),
    );
    session.dispose();
  });

  it("several steps say which of them it was", () => {
    const graph = graphOf([1, 2], (b) => {
      const y = whole(b);
      b.constant("k", int64([1]));
      const [sum, more] = [b.add("Add", "sum", [y, "k"]), b.add("Mul", "square", [y, y])];
      return [sum, more];
    });
    const session = createSession(graph, { backend, shape: [1, 2] });
    expect(() => session.run(Float32Array.of(1, 5000))).toThrow(/node "square" \(Mul\)/);
    expect(() => session.run(Float32Array.of(1, 2 ** 24))).toThrow(/node "sum" \(Add\)/);
    expect([...session.run(Float32Array.of(1, 4000))["square"]!.data]).toEqual([1, 16e6]);
    session.dispose();
  });
});

describe("constants", () => {
  it("may be outputs, and operands of any operator", () => {
    const graph = graphOf([2, 3, 4, 4], (b) => {
      b.constant("k", randomArray("k", [2, 3, 4, 4]));
      b.constant("row", randomArray("row", [4]));
      return [
        "k",
        b.add("Concat", "joined", ["k", "x", "k"], { axis: int(2) }),
        b.add("Sum", "sum", ["k", "x", "row"]),
        b.add("Where", "chosen", [b.add("Greater", "larger", ["x", "k"]), "k", "row"]),
        b.conv("c", "k", randomArray("w", [2, 3, 1, 1])),
      ];
    });
    expectAsDefined(backend, graph, { x: randomArray("x", [2, 3, 4, 4]) });
  });

  it("of whole numbers that float32 does not hold are refused by name", () => {
    const graph = graphOf([1, 2], (b) => [
      b.add("Less", "less", [whole(b), b.constant("limit", int64([2 ** 24 + 1]))]),
    ]);
    expect(() => createSession(graph, { backend, shape: [1, 2] })).toThrow(
      /whole numbers that float32 holds in "limit", received 16777217/,
    );
  });

  it("of indices outside are refused before anything runs", () => {
    const graph = graphOf([3, 2], (b) => [b.add("Gather", "picked", ["x", b.constant("i", int64([1, 0, 3]))])]);
    expect(() => createSession(graph, { backend, shape: [3, 2] })).toThrow(/picked/);
    const long = graphOf([3, 2], (b) => [
      b.add("Gather", "picked", [
        "x",
        b.constant("i", int64(Array.from({ length: 100 }, (_, i) => (i === 71 ? 3 : i % 2)))),
      ]),
    ]);
    expect(() => createSession(long, { backend, shape: [3, 2] })).toThrow(/picked.*received 3/);
  });
});
