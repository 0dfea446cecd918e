import { describe, expect, it } from "vitest";
import { inputFindings, outputFindings } from "#repvgg/analysis/diagnosis/interface.js";
import { valueInfo } from "#repvgg/graph/build.js";
import type { Dimension, Graph } from "#repvgg/graph/graph.js";
import { repvgg } from "#repvgg/nn/repvgg.js";
import { toGraph } from "#repvgg/nn/to-graph.js";
import { RandomNet } from "../../graph/support.js";
import { plain, train } from "./tiny.js";

const shape = { widths: [4, 4, 4, 4, 8], depths: [1, 1, 1, 1] } as const;

/** A small net of ours, on inputs of a given shape. */
function net(
  options: { classes?: number; inputChannels?: 1 | 3; widths?: readonly number[] },
  input?: Dimension[],
): Graph {
  const graph = toGraph(repvgg("A0", { ...shape, classes: 10, ...options }));
  return input ? { ...graph, inputs: [valueInfo("input", input)] } : graph;
}

const summary = (findings: ReturnType<typeof inputFindings>) => findings.map(({ cause, where }) => [cause, where]);

describe("nets that take different inputs", () => {
  it("agree where sizes are open, and in both forms", () => {
    expect(inputFindings(train, plain)).toEqual([]);
    expect(outputFindings(train, plain)).toEqual([]);
    expect(inputFindings(net({}), net({}, ["n", 3, 32, 32]))).toEqual([]);
  });

  it("other channels: grey and colour pictures, and what differs behind the first layer", () => {
    const [colour, grey] = [net({}), net({ inputChannels: 1 })];
    const findings = inputFindings(colour, grey);
    expect(summary(findings)).toEqual([["input-channels", "the input"]]);
    expect(findings[0]!.evidence).toMatch(
      /the reference reads 3 channels \(colour pictures\), the candidate 1 channel \(grey pictures\)/,
    );
    expect(summary(inputFindings(grey, net({ classes: 7 })))).toEqual([
      ["input-channels", "the input"],
      ["class-count", "logits"],
    ]);
    expect(summary(inputFindings(grey, net({ widths: [4, 4, 4, 4, 16] })))[1]).toEqual(["architecture", "stage4.0"]);
  });

  it("channels last", () => {
    const last = { ...net({}), inputs: [valueInfo("image", ["n", 32, 32, 3])] };
    const [finding] = inputFindings(net({}, ["n", 3, 32, 32]), last);
    expect(finding).toMatchObject({ cause: "input-layout" });
    expect(finding!.evidence).toContain("the candidate has its channels last (NHWC)");
    expect(inputFindings(last, net({}))[0]!.evidence).toContain("the reference has its channels last");
  });

  it("other sizes, axes, and numbers of inputs", () => {
    const [small, large] = [net({}, [1, 3, 32, 32]), net({}, [1, 3, 64, 48])];
    expect(inputFindings(small, large)).toMatchObject([
      { cause: "input-size", evidence: expect.stringContaining("takes 32×32 only, the candidate 64×48") },
    ]);
    const single = { ...small, inputs: [valueInfo("input", [3, 32, 32])] };
    expect(inputFindings(small, single)).toMatchObject([
      { cause: "inputs", evidence: expect.stringContaining("not as many axes") },
    ]);
    const masked = { ...small, inputs: [...small.inputs, valueInfo("mask", [1, 1, 32, 32])] };
    expect(inputFindings(small, masked)).toMatchObject([
      {
        cause: "inputs",
        evidence:
          "the reference reads 1 value, input [1, 3, 32, 32], the candidate 2 values, input [1, 3, 32, 32] and mask [1, 1, 32, 32]",
      },
    ]);
  });
});

describe("nets that give different outputs", () => {
  it("a head of other classes, and what differs before it", () => {
    const [finding, ...others] = outputFindings(net({}), net({ classes: 7 }));
    expect(others).toEqual([]);
    expect(finding).toMatchObject({ cause: "class-count", where: "logits", blocks: ["logits"] });
    expect(finding!.evidence).toBe(
      "the classifier gives 10 classes in the reference and 7 in the candidate; all 5 layers before it have the same shapes: a head of other classes",
    );
    expect(outputFindings(net({ classes: 1000 }), net({ classes: 1001 }))[0]!.evidence).toContain(
      "have one for the background",
    );
    expect(summary(outputFindings(net({}), net({ classes: 7, widths: [4, 8, 4, 4, 8] })))).toEqual([
      ["class-count", "the outputs"],
      ["architecture", "stage1.0"],
    ]);
  });

  it("a backbone, inner values, maps of another size", () => {
    const backbone = { ...net({}), outputs: [valueInfo("stage4", undefined as never)] };
    expect(outputFindings(net({}), backbone)).toMatchObject([
      { cause: "outputs", evidence: expect.stringContaining("the candidate is a backbone without its head") },
    ]);
    const more = { ...net({}), outputs: [...net({}).outputs, ...backbone.outputs] };
    expect(outputFindings(more, net({}))).toMatchObject([
      {
        cause: "outputs",
        evidence: expect.stringMatching(/gives 2 values, logits .* the candidate 1 value.*inner values/),
      },
    ]);
    const map = (stride: number): Graph => {
      const built = new RandomNet(1);
      built.randomConv("y", "x", 3, 4, 3, { stride, padding: 1 });
      return built.finish([1, 3, 8, 8], "y");
    };
    expect(summary(outputFindings(map(1), map(2)))).toEqual([
      ["outputs", "the outputs"],
      ["architecture", "y"],
    ]);
  });
});
