import { describe, expect, it } from "vitest";
import { f32, toFloat32, toFloat64 } from "#repvgg/core/named-arrays.js";
import { int, ints } from "#repvgg/graph/attributes.js";
import { folded, moved, withConstants, withNodes } from "./support.js";
import { bias, block, dense, first, grouped, kernel, noStep, plain, train } from "./tiny.js";

describe("branches", () => {
  it.each([
    ["1×1", "missing-1x1-branch", "sum", "rbr_dense"],
    ["identity", "missing-identity-branch", "rbr_reparam", "sum"],
  ])("without the %s branch", (_, cause, step, keep) => {
    const candidate = noStep(train, `${block}.${step}`, `${block}.${keep}`);
    for (const broken of [candidate, folded(candidate)]) {
      expect(first(train, broken)).toMatchObject({ cause, where: block, blocks: [block], others: [] });
    }
    // The plain form as the reference: then it is the other side that lacks the branch.
    const turned = first(folded(candidate), train);
    expect(turned.cause).toBe(cause);
    expect(turned.where).toMatch(/^stage2\.1/);
    expect(turned.evidence).toMatch(/^the reference lacks/);
  });

  it("without two of three branches", () => {
    const once = noStep(train, `${block}.sum`, `${block}.rbr_dense`);
    const candidate = noStep(once, `${block}.rbr_reparam`, `${block}.sum`);
    expect(first(train, folded(candidate))).toMatchObject({ cause: "missing-branch", where: block });
  });

  it.each([
    [0, 0],
    [0, 1],
    [2, 2],
  ])("with the 1×1 kernel at tap (%i, %i)", (y, x) => {
    const name = `${block}.rbr_1x1.conv`;
    const pointwise = train.initializers.get(`${name}.weight`)!;
    const [outputs, inputs] = pointwise.shape as [number, number];
    const padded = new Float32Array(outputs * inputs * 9);
    toFloat32(pointwise).forEach((value, at) => {
      padded[at * 9 + y * 3 + x] = value;
    });
    const candidate = {
      ...withNodes(train, (node) =>
        node.name === name
          ? { ...node, attributes: { ...node.attributes, kernel_shape: ints([3, 3]), pads: ints([1, 1, 1, 1]) } }
          : node,
      ),
      initializers: new Map(train.initializers).set(`${name}.weight`, f32([outputs, inputs, 3, 3], padded)),
    };
    const found = first(train, folded(candidate));
    expect(found).toMatchObject({ cause: "misplaced-branch", where: block, others: [] });
    expect(found.evidence).toContain(`at tap (${y}, ${x})`);
  });
});

describe("kernels", () => {
  it.each<[string, (o: number, i: number, y: number, x: number) => number[]]>([
    ["transposed in height and width", (o, i, y, x) => [o, i, x, y]],
    ["transposed in input and output channels", (o, i, y, x) => [i, o, y, x]],
    ["turned by 180°", (o, i, y, x) => [o, i, 2 - y, 2 - x]],
  ])("%s, after the fold and before it", (words, from) => {
    const is = (wanted: string) => (name: string) => name === wanted;
    const after = withConstants(plain, is(kernel), (_, array) => moved(array, from));
    const before = withConstants(train, is(`${block}.rbr_dense.conv.weight`), (_, array) => moved(array, from));
    for (const candidate of [after, folded(before)]) {
      const found = first(train, candidate);
      expect(found).toMatchObject({ cause: "transposed-kernel", where: block, blocks: [block], others: [] });
      expect(found.evidence).toContain(words);
    }
  });

  it("without a bias, and with the negated one", () => {
    const none = withConstants(
      plain,
      (name) => name === bias,
      (values) => values.fill(0),
    );
    expect(first(train, none)).toMatchObject({ cause: "missing-bias", where: block, others: [] });
    const negated = withConstants(
      plain,
      (name) => name === bias,
      (values) => values.map((x) => -x),
    );
    expect(first(plain, negated)).toMatchObject({ cause: "bias-sign", where: block, others: [] });
  });

  it("of groups used as dense ones", () => {
    const found = first(grouped.train, dense(grouped.plain, "tiled"));
    expect(found).toMatchObject({ cause: "wrong-groups", where: "stage2.0", others: [] });
    expect(found.blocks).toEqual(["stage2.0", "stage3.0", "stage3.2"]);
  });

  it("of dense convolutions cut into groups", () => {
    const node = plain.nodes.find(({ name }) => name === `${block}.rbr_reparam`)!;
    const array = plain.initializers.get(kernel)!;
    const [outputs, inputs] = array.shape as [number, number];
    const own = inputs / 2;
    const values = toFloat64(array);
    const cut = Float32Array.from({ length: (outputs * inputs * 9) / 2 }, (_, at) => {
      const [o, i] = [Math.floor(at / (own * 9)), Math.floor(at / 9) % own];
      const group = Math.floor(o / (outputs / 2));
      return values[(o * inputs + group * own + i) * 9 + (at % 9)]!;
    });
    const candidate = {
      ...withNodes(plain, (other) =>
        other === node ? { ...node, attributes: { ...node.attributes, group: int(2) } } : other,
      ),
      initializers: new Map(plain.initializers).set(kernel, f32([outputs, own, 3, 3], cut)),
    };
    expect(first(train, candidate)).toMatchObject({ cause: "wrong-groups", where: block, others: [] });
  });
});
