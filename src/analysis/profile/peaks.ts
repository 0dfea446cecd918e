import type { Backend, KernelCall } from "../../backend/backend.js";
import { planConvForward } from "../../backend/conv/plan.js";
import { convGeometry, convMacs } from "../../core/conv-geometry.js";

/** What a backend's threads can do at most, measured: the roof that layers stand under. */
export interface Peaks {
  /** Of the micro-kernel on operands that stay in the caches next to it; 10⁹ floating-point operations a second. */
  readonly gigaflops: number;
  /** Of reading what lies in no cache; 10⁹ bytes a second. */
  readonly gigabytesPerSecond: number;
}

/** Larger than the last cache of most machines. */
const memoryBytes = 2 ** 27;

/** Measures both in about half a second. Other work on the machine makes the figures lower, never higher: the best run counts. */
export function measurePeaks(backend: Backend): Peaks {
  return { gigaflops: peakGigaflops(backend), gigabytesPerSecond: readBandwidth(backend) };
}

/** A product whose operands stay in L1 and L2. */
export function peakGigaflops(backend: Backend): number {
  const geometry = convGeometry({
    ...{ batch: 256 * backend.threads, height: 1, width: 1 },
    ...{ inChannels: 256, outChannels: 64, kernel: 1 },
  });
  const plan = planConvForward(geometry, backend, "igemm");
  const words = [geometry.batch * 256, geometry.batch * 64, 256 * 64, plan.packedWords, plan.workspaceWords];
  return withMemory(backend, words, ([input, output, weight, packed, workspace]) => {
    backend.run(plan.pack(weight!, packed!));
    const seconds = bestTime(
      backend,
      plan.run({ input: input!, packed: packed!, output: output!, workspace: workspace! }),
      200,
    );
    return (2 * convMacs(geometry)) / seconds / 1e9;
  });
}

function readBandwidth(backend: Backend): number {
  const [batch, channels] = [4 * backend.threads, 64];
  const positions = Math.floor(memoryBytes / 4 / batch / channels);
  return withMemory(backend, [batch * positions * channels, batch * channels], ([x, y]) => {
    const args = { x: x!, y: y!, batch, positions, channels };
    const seconds = bestTime(backend, [{ kernel: "global_average_pool_forward", args }], 12);
    return (batch * positions * channels * 4) / seconds / 1e9;
  });
}

function withMemory<T>(backend: Backend, words: readonly number[], work: (pointers: readonly number[]) => T): T {
  const pointers: number[] = [];
  try {
    for (const size of words) {
      const pointer = backend.allocate(size);
      pointers.push(pointer);
      backend.f32(pointer, size).fill(0.5);
    }
    return work(pointers);
  } finally {
    for (const pointer of pointers) backend.free(pointer);
  }
}

function bestTime(backend: Backend, calls: readonly KernelCall[], repeats: number): number {
  const program = backend.compile(calls);
  let best = Number.POSITIVE_INFINITY;
  for (let repeat = 0; repeat < repeats; repeat++) {
    const start = performance.now();
    program.run();
    best = Math.min(best, performance.now() - start);
  }
  program.dispose();
  return best / 1000;
}
