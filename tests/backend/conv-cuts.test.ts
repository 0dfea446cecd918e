import { describe, expect, it } from "vitest";
import type { KernelCall } from "#repvgg/backend/backend.js";
import {
  type ConvRole,
  type ConvTarget,
  convAlgorithms,
  convCost,
  planConvBackwardData,
  planConvBackwardWeight,
  planConvForward,
} from "#repvgg/backend/conv/plan.js";
import { type ConvGeometry, convGeometry } from "#repvgg/core/conv-geometry.js";
import { ShapeError } from "#repvgg/core/errors.js";
import { describeGeometry } from "./conv-geometries.js";

/**
 * How convolutions are cut, packed and priced. That results are right whatever the cut is, conv.test.ts shows; that the cut is a good one
 * only measurements can (bench/). Here it stands in a file, plan by plan: whoever changes a measured constant or a limit sees there what
 * else moves, and commits it with `npx vitest run tests/backend/conv-cuts.test.ts -u`.
 */
const targets: Readonly<Record<string, ConvTarget>> = {
  "128 bits": { lanes: 4, panelColumns: 8, microRows: 4, threads: 1 },
  "256 bits, 2 threads": { lanes: 8, panelColumns: 16, microRows: 4, threads: 2 },
  "512 bits, 3 threads": { lanes: 16, panelColumns: 32, microRows: 8, threads: 3 },
  "512 bits, 8 threads, compact halves": {
    ...{ lanes: 16, panelColumns: 32, microRows: 8, threads: 8 },
    ...{ compactWeights: true, halfWeights: true },
  },
};

interface Layer {
  n?: number;
  side: number;
  i: number;
  o: number;
  k?: number;
  s?: number;
  p?: number;
  d?: number;
  g?: number;
}

function layer({ n = 1, side, i, o, k = 3, s = 1, p = k >> 1, d = 1, g = 1 }: Layer): ConvGeometry {
  return convGeometry({
    ...{ batch: n, height: side, width: side, inChannels: i, outChannels: o },
    ...{ kernel: k, stride: s, padding: p, dilation: d, groups: g },
  });
}

/** Each is here for a limit that it meets or just misses. */
const layers: readonly ConvGeometry[] = [
  // of nets: the first layer, each size of image, batches, a classifier
  layer({ side: 224, i: 3, o: 64, s: 2 }),
  layer({ side: 112, i: 64, o: 64, s: 2 }),
  layer({ side: 56, i: 64, o: 64 }),
  layer({ n: 16, side: 28, i: 96, o: 96 }),
  layer({ n: 32, side: 14, i: 192, o: 192 }),
  layer({ side: 14, i: 192, o: 1280, s: 2 }),
  layer({ n: 64, side: 8, i: 48, o: 96, s: 2 }),
  layer({ n: 64, side: 1, i: 1280, o: 10, k: 1 }),
  layer({ n: 2, side: 14, i: 256, o: 64, k: 1 }),
  // few inputs are gathered: 11 of a group, and 12
  layer({ side: 9, i: 11, o: 8 }),
  layer({ side: 9, i: 12, o: 8 }),
  layer({ side: 9, i: 3, o: 8, k: 1 }),
  // batches skip padding: of 3 images, of 4, of few taps outside
  layer({ n: 3, side: 4, i: 24, o: 40 }),
  layer({ n: 4, side: 4, i: 24, o: 40 }),
  layer({ n: 9, side: 15, i: 16, o: 16, k: 2, p: 1 }),
  // gradients of weights position by position: images 8 wide, and 9; the smallest with which a batch is cut in parts
  layer({ n: 4, side: 8, i: 20, o: 20, k: 5 }),
  layer({ n: 4, side: 9, i: 20, o: 20, k: 5 }),
  layer({ n: 3, side: 8, i: 20, o: 20, k: 5 }),
  layer({ n: 40, side: 5, i: 16, o: 16, k: 1 }),
  // gradients of weights larger than a task's part of the result: in panels, rows of the kernel, inputs
  layer({ side: 7, i: 512, o: 512 }),
  layer({ side: 13, i: 300, o: 40, k: 13 }),
  layer({ side: 31, i: 8, o: 8, k: 31 }),
  layer({ n: 2, side: 20, i: 260, o: 264, k: 5, s: 2 }),
  layer({ side: 500, i: 32, o: 48, s: 3, k: 5 }),
  layer({ n: 8, side: 6, i: 700, o: 128, k: 1 }),
  // other strides, dilations, groups, pads; depthwise
  layer({ n: 5, side: 13, i: 36, o: 24, s: 3, d: 2, p: 2 }),
  layer({ n: 2, side: 12, i: 32, o: 64, g: 4 }),
  layer({ n: 6, side: 7, i: 64, o: 64, g: 2, s: 2 }),
  layer({ n: 2, side: 12, i: 24, o: 24, k: 5, g: 24 }),
  // Winograd: groups of 4 inputs and outputs, and of 3; inputs beyond those whose kernels are transformed together, tiles with edges, weights larger than L2
  layer({ side: 10, i: 16, o: 16, g: 4 }),
  layer({ side: 10, i: 12, o: 16, g: 4 }),
  layer({ side: 10, i: 16, o: 12, g: 4, s: 2 }),
  layer({ n: 3, side: 6, i: 200, o: 72 }),
  layer({ n: 2, side: 19, i: 1000, o: 40 }),
  layer({ n: 7, side: 10, i: 640, o: 640, s: 2 }),
];

const roles: readonly ConvRole[] = ["forward", "backward-data", "backward-weight"];

/** Arguments that say how work is cut and in which order: the others repeat the geometry, and results show them. */
const cutArguments = /^(block_|chunk|parts|batch_inner|gather|packed_points|halves|rows)/;

function cuts(calls: readonly KernelCall[]): string {
  return calls
    .map(({ kernel, args }) => {
      const own = Object.entries(args).filter(([name]) => cutArguments.test(name));
      return [kernel, ...own.map(([name, value]) => `${name}=${value}`)].join(" ");
    })
    .filter((text, i, all) => text !== all[i - 1])
    .join("; ");
}

function planLine(g: ConvGeometry, role: ConvRole, algorithm: string, target: ConvTarget): string {
  const at = { input: 16, packed: 32, output: 48, workspace: 64, outputGradient: 80, weightGradient: 96 };
  const { multiplications, cycles } = convCost(g, role, algorithm, target);
  const cost = `${multiplications.toPrecision(9)} products, ${cycles.toPrecision(9)} cycles`;
  if (role === "backward-weight") {
    const plan = planConvBackwardWeight(g, target, algorithm);
    return `${cost}, ${plan.workspaceWords} words, ${cuts(plan.run(at))}`;
  }
  const plan = (role === "forward" ? planConvForward : planConvBackwardData)(g, target, algorithm);
  const words = `${plan.packedWords} packed up to ${plan.largestWeight}, ${plan.workspaceWords} words`;
  return `${cost}, ${words}, ${cuts([...plan.pack(112, 32), ...plan.run(at)])}`;
}

/** Convolutions by one size that grows until the smallest part fits in scratch memory no more. */
const growing: Readonly<Record<string, { readonly role: ConvRole; readonly at: (size: number) => ConvGeometry }>> = {
  "inputs of 1×1": { role: "forward", at: (i) => layer({ side: 3, i, o: 8, k: 1 }) },
  "inputs of 5×5": { role: "forward", at: (i) => layer({ side: 9, i, o: 8, k: 5 }) },
  "a kernel of 3 inputs": { role: "forward", at: (k) => layer({ side: k, i: 3, o: 8, k, p: 0 }) },
  "a kernel of 16 inputs": { role: "forward", at: (k) => layer({ side: k, i: 16, o: 8, k, p: 0 }) },
  "a depthwise kernel": { role: "forward", at: (k) => layer({ side: k, i: 8, o: 8, k, g: 8 }) },
  "depthwise channels": { role: "backward-data", at: (i) => layer({ side: 3, i, o: i, k: 1, g: i }) },
  "outputs whose gradient is taken": { role: "backward-data", at: (o) => layer({ side: 3, i: 8, o, k: 1 }) },
  "a row of an image": {
    role: "backward-weight",
    at: (width) => ({ ...layer({ side: 3, i: 1, o: 1, k: 1 }), width }),
  },
  "a row of an image of 24 inputs": {
    role: "backward-weight",
    at: (width) => ({ ...layer({ side: 5, i: 24, o: 40 }), width }),
  },
};

/** The largest size that is planned. */
function largest({ role, at }: (typeof growing)[string], target: ConvTarget): number {
  const plan = {
    forward: planConvForward,
    "backward-data": planConvBackwardData,
    "backward-weight": planConvBackwardWeight,
  }[role];
  const fits = (size: number): boolean => {
    try {
      plan(at(size), target, role === "backward-weight" ? "gemm" : at(size).groups > 1 ? "depthwise" : "igemm");
      return true;
    } catch (error) {
      expect(error).toBeInstanceOf(ShapeError);
      return false;
    }
  };
  let [low, high] = [2, 1 << 20];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (fits(middle)) low = middle;
    else high = middle;
  }
  return low;
}

/** The most inputs that each kind of Winograd's algorithm takes. */
function mostWinogradInputs(target: ConvTarget): Record<string, number> {
  const most: Record<string, number> = {};
  for (let channels = 100; channels < 12_000; channels++) {
    for (const stride of [1, 2]) {
      const g = layer({ side: 6, i: channels, o: channels, s: stride });
      for (const role of ["forward", "backward-data"] as const)
        for (const algorithm of convAlgorithms(g, role, target))
          if (algorithm.startsWith("winograd")) most[`${role} ${algorithm}`] = channels;
    }
  }
  return most;
}

/** Rows of a task, of kernels that leave scratch memory room for fewer than are wanted: by the kernel's side, 21, 23, … 99. */
function rowsOfLargeKernels(target: ConvTarget): string[] {
  return [1, 2, 3, 5, 7, 11, 12, 500].map((inputs) => {
    const rows: number[] = [];
    for (let k = 21; k < 100; k += 2) {
      const g = layer({ side: k + 8, i: inputs, o: 8, k, p: 0 });
      try {
        const [call] = planConvForward(g, target, "igemm").run({ input: 16, packed: 32, output: 48, workspace: 64 });
        rows.push((call!.args as unknown as { block_rows: number }).block_rows);
      } catch (error) {
        expect(error).toBeInstanceOf(ShapeError);
      }
    }
    return `rows of large kernels with ${inputs} inputs: ${rows.join(" ")}`;
  });
}

describe("the cut of convolutions", () => {
  it.each(Object.entries(targets))("on %s", async (name, target) => {
    const lines = layers.flatMap((g) => [
      `# ${describeGeometry(g)}`,
      ...roles.flatMap((role) => {
        const chosen = {
          forward: () => planConvForward(g, target),
          "backward-data": () => planConvBackwardData(g, target),
          "backward-weight": () => planConvBackwardWeight(g, target),
        }[role]().algorithm;
        return convAlgorithms(g, role, target).map(
          (algorithm) =>
            `${algorithm === chosen ? "*" : " "} ${role} ${algorithm}: ${planLine(g, role, algorithm, target)}`,
        );
      }),
    ]);
    const file = `../fixtures/backend/conv-cuts/${name.replaceAll(/[ ,]+/g, "-")}.txt`;
    const limits = [
      ...Object.entries(growing).map(([title, growth]) => `${title}: at most ${largest(growth, target)}`),
      ...Object.entries(mostWinogradInputs(target)).map(([title, most]) => `${title}: at most ${most} channels`),
    ];
    lines.push("# Limits of scratch memory", ...limits, ...rowsOfLargeKernels(target));
    await expect(`${lines.join("\n")}\n`).toMatchFileSnapshot(file);
  });
});
