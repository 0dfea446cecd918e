import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { explainFold } from "#repvgg/cli/fold-explanation.js";
import type { FoldReport } from "#repvgg/fold/report.js";
import { fold } from "#repvgg/graph/fold.js";
import { proveFold } from "#repvgg/verify/proof/prove-fold.js";
import { examples } from "../../scripts/snapshots/fold-examples.mjs";
import { oneLine, repvgg, repvggJson, testFolder } from "./support.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
const acb = join(root, "tests/fixtures/oracles/block-acb-bn.onnx");
const face = join(root, "tests/fixtures/third-party/nets/face-net-opset9-bn.onnx");

it("fold --explain traces a region node by node, without writing", async () => {
  const folder = testFolder();
  const { code, stdout, stderr } = await repvgg(["fold", acb, "--explain", "--quiet"], { cwd: folder });
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(readdirSync(folder)).toEqual([]);
  expect(stdout.split("\n\n").slice(0, 2).join("\n\n").split("\n")).toEqual([
    "not written (no --output): 8 nodes became 1, 6,048 parameters became 3,480",
    "1 region folded, 0 linear nodes stayed",
    "  became 1 × Conv 3×3",
    "",
    'region 1 of 1: "x" → "y"',
    '  Conv "/square_conv/Conv" [composition]: 3×3, 16 → 24, stride 1, pads 1, groups 1',
    '  BatchNormalization "/square_bn/BatchNormalization" [batch-norm]: 3×3, 16 → 24, stride 1, pads 1, groups 1',
    '  Conv "/ver_conv/Conv" [composition]: 3×1, 16 → 24, stride 1, pads [1 0 1 0], groups 1',
    '  BatchNormalization "/ver_bn/BatchNormalization" [batch-norm]: 3×1, 16 → 24, stride 1, pads [1 0 1 0], groups 1',
    '  Conv "/hor_conv/Conv" [composition]: 1×3, 16 → 24, stride 1, pads [0 1 0 1], groups 1',
    '  BatchNormalization "/hor_bn/BatchNormalization" [batch-norm]: 1×3, 16 → 24, stride 1, pads [0 1 0 1], groups 1',
    '  Add "/Add" [sum]: 3×3, 16 → 24, stride 1, pads 1, groups 1',
    '  Add "/Add_1" [sum]: 3×3, 16 → 24, stride 1, pads 1, groups 1',
    '  became Conv "y": 3×3, 16 → 24, stride 1×1, groups 1; 846,720 → 497,664 multiply-accumulates (0.588 ×)',
    "  proven in float64 on sources of 1×16×3×3: relative difference at most 4.82e-8, 0.112 of what rounding the weights to f32 explains",
  ]);
});

it("says of nodes that stay why, what to do, and where it is explained; writes where it is told to", async () => {
  const output = join(testFolder(), "folded.onnx");
  const args = ["fold", face, "-o", output, "--explain", "--no-verify"];
  const [{ code, stdout }, { report }] = await Promise.all([
    repvgg(args),
    repvggJson<{ report: FoldReport }>(args.with(3, `${output}.onnx`)),
  ]);
  expect(code).toBe(0);
  expect(existsSync(output)).toBe(true);
  const [head, ...parts] = stdout.split("\n\n");
  expect(head!.split("\n")).toEqual([
    `${output}: 47 nodes became 36, 979 parameters became 907`,
    "5 regions folded, 11 linear nodes stayed",
    "  became 3 × Conv 3×3",
    "  became 2 × Conv 1×1",
    "  stayed 4 × cost",
    "  stayed 3 × varies-over-positions",
    "  stayed 2 × free-now",
    "  stayed 2 × no-common-source",
  ]);
  expect(parts.slice(0, 5).every((part) => part.endsWith("\n  not proven"))).toBe(true);
  expect(parts[5]!.split("\n")).toEqual([
    'stayed: BatchNormalization "BatchNormalization_11"',
    '  why: one convolution from "8" would cost 2.00 × the multiply-accumulates (more than 1)',
    "  what to do: allow it with --max-cost (in code: maxCost) above the ratio, where fewer nodes are worth it",
    "  kind: cost, see docs/fold/regions.md",
  ]);
  expect(report.regions[0]!.steps.map(({ rule }) => rule)).toEqual(["composition", "batch-norm"]);
  expect(report.regions[0]!.steps[0]!.maps).toEqual([
    {
      ...{ value: "0", inChannels: 3, outChannels: 4, groups: 1, kernelSize: [3, 3], stride: [2, 2] },
      ...{ pads: [1, 1, 1, 1], dilation: [1, 1], upsampling: [1, 1] },
    },
  ]);
  expect(report.refusals).toHaveLength(11);
  for (const { page, remedy } of report.refusals) {
    expect(existsSync(join(root, page)), page).toBe(true);
    expect(stdout).toContain(remedy);
  }
});

it("wants a place to write to, or --explain", async () => {
  expect(await repvgg(["fold", acb])).toEqual(
    oneLine("expected --output <file>, received nothing: see repvgg fold --help"),
  );
  expect(await repvggJson(["fold", acb, "--explain"])).toMatchObject({ output: null, nodes: { before: 8, after: 1 } });
});

const text = (page: string): string[] => {
  const graph = examples[page]!();
  const { graph: folded, report, plan } = fold(graph);
  return explainFold(report, proveFold(graph, plan, folded).regions);
};

it("names matrices, spread sources, orders of axes, values of a Split, and nodes that are read together", () => {
  expect(text("matrix")).toContain('  MatMul "product" [matrix]: 4 → 8');
  expect(text("transposed")).toContain(
    '  ConvTranspose "up" [transposed]: 2×2, 4 → 4, stride 1, pads 1, source spread 2, groups 1',
  );
  expect(text("transpose")).toContain(
    '  Transpose "last" [transpose]: 1×1, 4 → 4, stride 1, pads 0, groups 4, axes in the order 0 2 3 1',
  );
  expect(text("split")).toContain(
    '  Split "halves" [split]: 1×1, 2 → 2, stride 1, pads 0, groups 2; 1×1, 2 → 2, stride 1, pads 0, groups 2',
  );
  expect(text("border-write")).toContain('  Pad "padded" [border-write]: with what reads it');
});
