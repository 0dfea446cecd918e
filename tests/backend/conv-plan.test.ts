import { describe, expect, it } from "vitest";
import {
  type ConvRole,
  convAlgorithms,
  convCost,
  planConvBackwardData,
  planConvBackwardWeight,
  planConvForward,
} from "#repvgg/backend/conv/plan.js";
import type { ConvTarget } from "#repvgg/backend/conv/target.js";
import { type ConvGeometry, convGeometry } from "#repvgg/core/conv-geometry.js";
import { ShapeError } from "#repvgg/core/errors.js";
import { convGeometries } from "./conv-geometries.js";

const target = { lanes: 4, panelColumns: 8, microRows: 4, threads: 1 };

/** The layers of RepVGG-A0 whose algorithm matters most. */
function a0(size: number, batch: number): ConvGeometry[] {
  const layer = (at: number, inChannels: number, outChannels: number, stride: number, kernel = 3) =>
    convGeometry({
      ...{ batch, height: at, width: at, inChannels, outChannels },
      ...{ kernel, stride, padding: kernel >> 1 },
    });
  return [
    layer(size, 3, 48, 2),
    layer(size / 2, 48, 48, 2),
    layer(size / 4, 48, 48, 1),
    layer(size / 8, 96, 96, 1),
    layer(size / 16, 192, 192, 1),
    layer(size / 16, 192, 1280, 2),
    layer(size / 16, 192, 192, 1, 1),
  ];
}

const geometries = [...convGeometries, ...a0(224, 1), ...a0(224, 16), ...a0(32, 64)];

describe("plans", () => {
  it("choose the algorithm and the order of sums by the geometry alone, never by the threads", () => {
    for (const g of geometries) {
      const bits = [1, 2, 3, 8, 64].map((threads) => {
        const at = { input: 16, packed: 32, output: 48, workspace: 64, outputGradient: 80, weightGradient: 96 };
        const gradient = planConvBackwardWeight(g, { ...target, threads });
        const chunks = gradient.run(at).map(({ args }) => {
          const { chunk, chunk_tiles, batch_inner, parts } = args as Readonly<Record<string, number>>;
          return { chunk, chunk_tiles, batch_inner, parts };
        });
        const forward = planConvForward(g, { ...target, threads });
        const backwardData = planConvBackwardData(g, { ...target, threads });
        return [forward.algorithm, backwardData.algorithm, gradient.algorithm, gradient.workspaceWords, chunks];
      });
      for (const other of bits) expect(other).toEqual(bits[0]);
    }
  });

  it("take Winograd for 3×3 layers of the usual sizes, igemm for the first, 1×1 and very small ones", () => {
    const forward = (g: ConvGeometry) => planConvForward(g, target).algorithm;
    const early = ["igemm", "winograd4_stride2", "winograd4", "winograd4", "winograd4"];
    expect(a0(224, 1).map(forward)).toEqual([...early, "winograd4_stride2", "igemm"]);
    // Where points are packed, 1,280 × 192 kernels of 36 points take longer to read than to do without.
    const wide = { ...target, lanes: 16, panelColumns: 32, microRows: 8 };
    expect(a0(224, 1).map((g) => planConvForward(g, wide).algorithm)).toEqual([...early, "igemm", "igemm"]);
    expect(a0(32, 64).map(forward)).toEqual([
      ...["igemm", "winograd4_stride2", "winograd4", "winograd4", "igemm", "igemm", "igemm"],
    ]);
    const depthwise = convGeometry({ height: 8, width: 8, inChannels: 8, outChannels: 8, kernel: 3, groups: 8 });
    expect(forward(depthwise)).toBe("depthwise");
  });

  it("offer only algorithms that they can plan, and price each", () => {
    const roles: readonly ConvRole[] = ["forward", "backward-data", "backward-weight"];
    for (const g of geometries) {
      for (const role of roles) {
        for (const algorithm of convAlgorithms(g, role, target)) {
          const { multiplications, cycles } = convCost(g, role, algorithm, target);
          expect(multiplications).toBeGreaterThan(0);
          expect(cycles).toBeGreaterThanOrEqual(0);
        }
      }
    }
  });

  it("count what the edges of Winograd's tiles spare: 4 of 6 points where two outputs or one are left on an axis", () => {
    const products = (height: number, width: number, role: ConvRole) => {
      const g = convGeometry({ height, width, inChannels: 8, outChannels: 8, kernel: 3, padding: 1 });
      return convCost(g, role, "winograd4", target).multiplications / 64;
    };
    for (const role of ["forward", "backward-data", "backward-weight"] as const) {
      expect(products(16, 16, role)).toBeCloseTo(16 * 36);
      expect(products(15, 16, role)).toBeCloseTo(16 * 36);
      expect(products(14, 16, role)).toBeCloseTo(12 * 36 + 4 * 24);
      expect(products(14, 13, role)).toBeCloseTo(9 * 36 + 6 * 24 + 16);
    }
  });

  it("give Winograd's blocks no more scratch memory than there is, counted as kernels/conv_winograd_forward.h takes it", () => {
    const targets = [
      target,
      { ...target, lanes: 8, panelColumns: 16 },
      { ...target, lanes: 16, panelColumns: 32, microRows: 8 },
      { ...target, lanes: 16, panelColumns: 32, microRows: 8, compactWeights: true, threads: 3 },
    ];
    let offered = 0;
    for (const t of targets) {
      for (const side of [4, 5, 6, 9, 14]) {
        for (let inChannels = 500; inChannels < 8000; inChannels = Math.ceil(inChannels * 1.09)) {
          const g = convGeometry({ height: side, width: side, inChannels, outChannels: 8, kernel: 3, padding: 1 });
          if (!convAlgorithms(g, "forward", t).includes("winograd4")) continue;
          expect(winograd4Scratch(g, t), `${side}×${side}, ${inChannels} inputs, ${t.lanes} lanes`).toBeLessThanOrEqual(
            2 << 20,
          );
          offered++;
        }
      }
    }
    expect(offered).toBeGreaterThan(100);
  });

  it("pass over positions that no tap reaches only where those stay as they are", () => {
    const base = { height: 8, width: 8, inChannels: 8, outChannels: 8, kernel: 1, stride: 2 };
    for (const [algorithm, groups] of [
      ["igemm", 1],
      ["depthwise", 8],
    ] as const) {
      const plan = planConvBackwardData(convGeometry({ ...base, groups }), target, algorithm);
      // Of four phases of the stride one has the only tap.
      expect(plan.pack(16, 32)).toHaveLength(1);
      for (const accumulate of [false, true])
        for (const bias of [undefined, 96])
          for (const relu of [false, true]) {
            const at = { input: 16, packed: 32, output: 48, workspace: 64, accumulate, relu, ...(bias && { bias }) };
            const calls = plan.run(at);
            expect(calls).toHaveLength(accumulate && !bias && !relu ? 1 : 4);
            for (const { args } of calls)
              expect(args).toMatchObject({ accumulate: Number(accumulate), relu: Number(relu), bias: bias ?? 0 });
          }
    }
  });

  it("refuse an algorithm that cannot do the convolution, and unknown names", () => {
    const strided = convGeometry({ height: 8, width: 8, inChannels: 8, outChannels: 8, kernel: 3, stride: 2 });
    expect(() => planConvForward(strided, target, "winograd4")).toThrow(RangeError);
    expect(() => planConvForward(strided, target, "fft")).toThrow(/fft is none of igemm/);
  });

  it("refuse geometries without output, and those whose smallest part is larger than scratch memory", () => {
    const g = convGeometry({ height: 3, width: 3, inChannels: 1, outChannels: 1, kernel: 3 });
    expect(() => planConvForward({ ...g, kernelHeight: 5 }, target)).toThrow(ShapeError);
    const wide = convGeometry({ height: 3, width: 3, inChannels: 600_000, outChannels: 8, kernel: 1 });
    expect(() => planConvForward(wide, target)).toThrow(ShapeError);
    const long = { ...convGeometry({ height: 3, width: 3, inChannels: 1, outChannels: 1, kernel: 1 }), width: 200_000 };
    expect(() => planConvBackwardWeight(long, target)).toThrow(ShapeError);
  });
});

/** Most bytes of scratch memory that a task of the plan takes: its tiles in the order in which points have products for them. */
function winograd4Scratch(g: ConvGeometry, t: ConvTarget): number {
  const plan = planConvForward(g, t, "winograd4");
  const [call] = plan.run({ input: 16, packed: 32, output: 48, workspace: 64 });
  const { block_tiles: blockTiles, packed_points: packedPoints } = call!.args as unknown as Record<string, number> &
    Record<"block_tiles" | "packed_points", number>;
  const across = Math.ceil(g.width / 4);
  const tiles = g.batch * Math.ceil(g.height / 4) * across;
  const isEdge = (outputs: number, at: number): boolean => outputs - 4 * at <= 2;
  const up = (n: number, multiple: number): number => Math.ceil(n / multiple) * multiple;
  const lines = (bytes: number): number => up(bytes, 64);
  let most = 0;
  for (let first = 0; first < tiles; first += blockTiles) {
    const count = Math.min(blockTiles, tiles - first);
    // Kinds: [y whole, x edge], [both whole], [y edge, x whole], [both edges].
    const kinds = Array.from({ length: count }, (_, i) => {
      const tile = (first + i) % (tiles / g.batch);
      const [edgeY, edgeX] = [isEdge(g.height, Math.floor(tile / across)), isEdge(g.width, tile % across)];
      return edgeY ? 2 + Number(edgeX) : 1 - Number(edgeX);
    });
    const before = [0, 1, 2, 3, 4].map((kind) => kinds.filter((other) => other < kind).length) as number[];
    const ends = [0, 1].flatMap((outerY) =>
      [0, 1].map((outerX) => {
        const [begin, end] = [before[outerX]!, before[outerY ? 2 : 4 - outerX]!];
        return begin + up(end - begin, t.microRows);
      }),
    );
    const rows = Math.max(...ends);
    const kernels = packedPoints ? 0 : 36 * (Math.min(g.inChannels, 192) * t.panelColumns + 16);
    const words = [
      g.inChannels,
      36 * (rows * up(g.inChannels, t.lanes) + 16),
      36 * (rows * t.panelColumns + 16),
      kernels,
    ];
    most = Math.max(most, lines(4 * count) + words.reduce((sum, n) => sum + lines(4 * n), 0));
  }
  return most;
}
