import { describe, expect, it } from "vitest";
import type { KernelCall } from "#repvgg/backend/backend.js";
import { planConvBackwardData, planConvForward } from "#repvgg/backend/conv/plan.js";
import { planByteConv } from "#repvgg/backend/conv-bytes/plan.js";
import type { ConvGeometry } from "#repvgg/core/conv-geometry.js";
import { ConstantStore } from "#repvgg/engine/constant-store.js";
import { buildPlan, type Plan } from "#repvgg/engine/plan/plan.js";
import { PlanCache } from "#repvgg/engine/plan-cache.js";
import { int } from "#repvgg/graph/attributes.js";
import { backendOf } from "../tensor/backends.js";
import { graphOf, randomArray } from "./compare.js";

const backend = backendOf(1);
const shape = [1, 8, 6, 6];
const net = graphOf(shape, (b) => {
  const gate = b.add("Sigmoid", "gate", [
    b.conv("conv", "x", randomArray("w", [8, 8, 3, 3]), { padding: 1, bias: randomArray("b", [8]) }),
  ]);
  return [b.add("MatMul", "product", [gate, gate])];
});

/** Rows by number, which the kernel reports where they are none. */
const picking = graphOf([8, 6], (b) => [
  b.add("Gather", "picked", ["x", b.add("ArgMax", "where", ["x"], { axis: int(0), keepdims: int(0) })]),
]);

/** Compiles a net's plan with one number of one kernel's calls changed. */
function compileWith(
  kernel: KernelCall["kernel"] | undefined,
  argument: string,
  by: number,
  graph = net,
  inputShape: readonly number[] = shape,
): void {
  const build = (inputShapes: Readonly<Record<string, readonly number[]>>): Plan => {
    const plan = buildPlan(graph, {
      ...{ inputShapes, features: [], fuseBatchNorm: true },
      planConvolution: (g: ConvGeometry) => planConvForward(g, backend),
      planTransposedConvolution: (g: ConvGeometry) => planConvBackwardData(g, backend),
      planByteConvolution: (g: ConvGeometry, largestSum: number) => planByteConv(g, backend, largestSum),
    });
    const broken = (call: KernelCall): KernelCall => {
      const args = call.args as unknown as Record<string, number>;
      if (call.kernel !== kernel) return call;
      expect(args).toHaveProperty(argument);
      return { ...call, args: { ...args, [argument]: args[argument]! + by } } as unknown as KernelCall;
    };
    const steps = plan.steps.map((placed) => {
      const step = {
        ...placed.step,
        calls: (at: Parameters<typeof placed.step.calls>[0]) => placed.step.calls(at).map(broken),
      };
      return { ...placed, step };
    });
    return { ...plan, steps };
  };
  const cache = new PlanCache(backend, new ConstantStore(backend), build, 1);
  try {
    cache.get({ x: inputShape }).run();
  } finally {
    cache.dispose();
  }
}

describe("kernel calls of a plan", () => {
  it("stay inside what their step has declared", () => {
    expect(() => compileWith(undefined, "", 0)).not.toThrow();
  });

  it.each([
    ["sigmoid_forward", "n", 1, /sigmoid_forward in step "gate" \(Sigmoid\): x reads words 0 to 288 of/],
    ["sigmoid_forward", "y", 16, /y writes words 16 to 303/],
    ["matmul_forward", "rows", 1, /matmul_forward in step "product" \(MatMul\)/],
    ["matmul_forward", "b_column", 1, /b reads/],
    ["matmul_forward", "depth", -100, /would touch/],
  ] as const)("are refused where %s has %s + %i", (kernel, argument, by, message) => {
    expect(() => compileWith(kernel, argument, by)).toThrow(message);
  });

  it("are refused where they report beside the word of their step", () => {
    const report = (by: number) => () => compileWith("gather_forward", "status", by, picking, [8, 6]);
    expect(report(0)).not.toThrow();
    for (const by of [1, 2, -1, 16]) expect(report(by), `${by}`).toThrow(/gather_forward in step "picked" \(Gather\)/);
  });

  it("are refused where a convolution reads more than its image", () => {
    const [conv] = planKernels();
    expect(() => compileWith(conv, "in_height", 1)).toThrow(/x reads words 0 to 335 of/);
    expect(() => compileWith(conv, "out_channels", 32)).toThrow(/in step "conv" \(Conv\)/);
    expect(() => compileWith(conv, "bias", 1)).toThrow(/bias reads/);
  });
});

/** The kernel that the net's convolution runs on. */
function planKernels(): KernelCall["kernel"][] {
  const { algorithm } = planConvForward(
    {
      ...{ batch: 1, height: 6, width: 6, inChannels: 8, outChannels: 8, groups: 1 },
      ...{ kernelHeight: 3, kernelWidth: 3, strideHeight: 1, strideWidth: 1, dilationHeight: 1, dilationWidth: 1 },
      ...{ padTop: 1, padLeft: 1, padBottom: 1, padRight: 1 },
    },
    backend,
  );
  return [`conv_${algorithm}_forward` as KernelCall["kernel"]];
}
