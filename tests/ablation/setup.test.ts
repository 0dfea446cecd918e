import { describe, expect, it } from "vitest";
import { chooseSeeds, mergeSeeds, planRuns, variantsOf } from "#repvgg/ablation/setup.node.js";
import { ablationVariants } from "#repvgg/analysis/ablation/variants.js";
import { UserError } from "#repvgg/core/errors.js";
import { blockKinds } from "#repvgg/nn/blocks/registry.js";
import { architecture } from "#repvgg/nn/build-architecture.js";

describe("variants", () => {
  it("are every kind of block of the paper's tables and every choice of branches, each once", () => {
    const nets = ablationVariants.map(({ net }) => architecture("nano", net).block);
    expect(new Set(nets.map((block) => JSON.stringify(block))).size).toBe(ablationVariants.length);
    expect(new Set(nets.map(({ kind }) => kind))).toEqual(
      new Set(blockKinds.filter((kind) => !kind.startsWith("qarepvgg"))), // of another paper
    );
    expect(nets.filter(({ kind }) => kind === "repvgg")).toHaveLength(4);
  });
});

describe("seeds", () => {
  it("are five of everything where nothing is said", () => {
    expect(chooseSeeds()).toEqual(Object.fromEntries(ablationVariants.map(({ name }) => [name, 5])));
  });

  it("are chosen by table or by name, and the base has as many as any other", () => {
    expect(
      chooseSeeds([
        { name: "table6", seeds: 5 },
        { name: "table7", seeds: 3 },
      ]),
    ).toMatchObject({ base: 5, acb: 3 });
    expect(chooseSeeds([{ name: "acb", seeds: 7 }, { name: "dirac" }], 2)).toEqual({ base: 7, acb: 7, dirac: 2 });
    expect(chooseSeeds([{ name: "table6" }], 1)).toEqual({
      base: 1,
      "no-branches": 1,
      "pointwise-only": 1,
      "identity-only": 1,
    });
  });

  it("know their variants", () => {
    expect(() => chooseSeeds([{ name: "diract" }])).toThrow(UserError);
    expect(() => chooseSeeds([{ name: "diract" }])).toThrow('received "diract": did you mean "dirac"?');
  });

  it("grow when an ablation is gone on with", () => {
    expect(mergeSeeds({ base: 5, acb: 3 }, { base: 4, acb: 4, dirac: 1 })).toEqual({ base: 5, acb: 4, dirac: 1 });
  });
});

describe("the plan", () => {
  it("has the first seed of all variants before the second of any", () => {
    const seeds = { base: 3, acb: 1, "no-branches": 2 };
    expect(variantsOf(seeds).map(({ name }) => name)).toEqual(["base", "no-branches", "acb"]);
    expect(planRuns(seeds).map(({ variant, seed }) => `${variant.name} ${seed}`)).toEqual([
      "base 0",
      "no-branches 0",
      "acb 0",
      "base 1",
      "no-branches 1",
      "base 2",
    ]);
    expect(planRuns({})).toEqual([]);
  });
});
