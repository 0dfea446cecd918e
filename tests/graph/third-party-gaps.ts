/** What is held against each file of tests/fixtures/third-party. */
export type Check = "evaluator" | "fold" | "count" | "native" | "wasm";

interface Gap {
  readonly check: Check | readonly Check[];
  readonly reason: string;
  readonly exports: readonly string[];
}

/** What is known to fall short today, and why. A gap that closes fails its test until it is taken out here: the table only shrinks. */
export const knownGaps: readonly Gap[] = [
  {
    check: "count",
    reason:
      "a border assigned by ScatterND is not seen as a pad, and its indices come from static shapes that are not folded",
    exports: [
      "blocks/dbb",
      "blocks/dbb-any-batch",
      "blocks/dbb-bn",
      "blocks/dbb-depthwise",
      "blocks/dbb-depthwise-bn",
      "blocks/dbb-groups",
      "blocks/dbb-k5-stride2-bn",
      "blocks/dbb-no-affine-bn",
      "blocks/dbb-two-bn",
      "blocks/dbb-wider-middle",
      "blocks/ecb",
      "blocks/ecb-identity",
      "blocks/ecbsr",
    ],
  },
  {
    check: "count",
    reason: "a border joined to a map by Concat on rows and columns is not seen as a pad",
    exports: ["blocks/dbb-joined-border", "blocks/dbb-joined-border-bn"],
  },
  {
    check: "count",
    reason: "a crop of rows and columns is a pad of less than nothing, which the fold refuses",
    exports: [
      "blocks/acb-k5-pad1-stride2",
      "blocks/acb-k5-pad1-stride2-bn",
      "blocks/acb-k7-pad1",
      "blocks/acb-k7-pad1-bn",
      "blocks/acb-two",
      "blocks/acb-two-bn",
      "blocks/acb-unpadded",
      "blocks/acb-unpadded-any-size",
      "blocks/acb-unpadded-any-size-bn",
      "blocks/acb-unpadded-bn",
    ],
  },
  {
    check: "count",
    reason: "the kernel is computed by ScatterND, which constant folding lacks",
    exports: ["blocks/ecb-computed", "blocks/ecb-computed-identity", "blocks/ecbsr-computed"],
  },
  {
    check: "evaluator",
    reason: "the evaluator has no ScatterND",
    exports: [
      "blocks/dbb",
      "blocks/dbb-any-batch",
      "blocks/dbb-bn",
      "blocks/dbb-depthwise",
      "blocks/dbb-depthwise-bn",
      "blocks/dbb-groups",
      "blocks/dbb-k5-stride2-bn",
      "blocks/dbb-no-affine-bn",
      "blocks/dbb-two-bn",
      "blocks/dbb-wider-middle",
      "blocks/ecb",
      "blocks/ecb-computed",
      "blocks/ecb-computed-identity",
      "blocks/ecb-identity",
      "blocks/ecbsr",
      "blocks/ecbsr-computed",
    ],
  },
  {
    check: ["native", "wasm"],
    reason: 'UserError: expected a computed value as operand of node "Concat_12" (Concat), received the constant "11"',
    exports: ["blocks/dbb-joined-border"],
  },
  {
    check: ["native", "wasm"],
    reason: 'UserError: expected a computed value as operand of node "Concat_15" (Concat), received the constant "14"',
    exports: ["blocks/dbb-joined-border-bn"],
  },
  {
    check: ["native", "wasm"],
    reason: 'the engine has no node "Expand_35"',
    exports: ["blocks/dbb-any-batch"],
  },
  {
    check: ["native", "wasm"],
    reason: 'the engine has no node "Range_40"',
    exports: ["blocks/ecb", "blocks/ecb-identity", "blocks/ecbsr"],
  },
  {
    check: ["native", "wasm"],
    reason: 'the engine has no node "Range_42"',
    exports: ["blocks/dbb", "blocks/dbb-groups", "blocks/dbb-wider-middle"],
  },
  {
    check: ["native", "wasm"],
    reason: 'the engine has no node "Range_45"',
    exports: ["blocks/dbb-bn", "blocks/dbb-depthwise", "blocks/dbb-k5-stride2-bn", "blocks/dbb-two-bn"],
  },
  {
    check: ["native", "wasm"],
    reason: 'the engine has no node "Range_47"',
    exports: ["blocks/dbb-depthwise-bn", "blocks/dbb-no-affine-bn"],
  },
  {
    check: ["native", "wasm"],
    reason: 'the engine has no node "ScatterND_55"',
    exports: ["blocks/ecb-computed", "blocks/ecb-computed-identity", "blocks/ecbsr-computed"],
  },
  {
    check: ["native", "wasm"],
    reason: 'the engine has no node "Slice_5"',
    exports: [
      "blocks/acb-k5-pad1-stride2",
      "blocks/acb-k7-pad1",
      "blocks/acb-two",
      "blocks/acb-unpadded",
      "blocks/acb-unpadded-any-size",
    ],
  },
  {
    check: ["native", "wasm"],
    reason: 'the engine has no node "Slice_6"',
    exports: [
      "blocks/acb-k5-pad1-stride2-bn",
      "blocks/acb-k7-pad1-bn",
      "blocks/acb-two-bn",
      "blocks/acb-unpadded-any-size-bn",
      "blocks/acb-unpadded-bn",
    ],
  },
];
