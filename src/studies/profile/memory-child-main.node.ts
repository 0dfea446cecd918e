// One process that runs a net once and says what memory that took.
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { Backend, Pointer } from "../../backend/backend.js";
import { createBackend } from "../../backend/select.node.js";
import { elementCount } from "../../core/named-arrays.js";
import { createSession, type Session, type SessionTensor } from "../../engine/session.js";
import { loadNet } from "../../exchange/load-net.node.js";
import type { MemoryAnswer, MemoryJob } from "./memory-job.js";

async function measure({
  modelPath,
  shapes,
  fuseBatchNorm,
  kernels,
  threads,
  pattern,
}: MemoryJob): Promise<MemoryAnswer> {
  const { backend, blocks } = recording(await createBackend({ kernels, threads }));
  const session = createSession((await loadNet(modelPath)).graph, { backend, shape: shapes, fuseBatchNorm });
  const { peakActivationBytes, arenaBytes, weightBytes, inputs, outputs } = session.plan();
  const input = someInput(Object.values(shapes)[0]!);
  const results = Object.fromEntries(outputs.map(({ name, shape }) => [name, new Float32Array(elementCount(shape))]));
  const arena = [...blocks].findLast(([, words]) => words * 4 === arenaBytes)![0];
  const facts = {
    type: "measured",
    backend: backend.name,
    plannedBytes: peakActivationBytes,
    arenaBytes,
    weightBytes,
    holeBytes: 4 * (backend.memory.peakWords - backend.memory.usedWords) + arenaBytes,
    portBytes: 4 * [...inputs, ...outputs].reduce((sum, { shape }) => sum + elementCount(shape), 0),
  } as const;
  const once = (): void => session.runInto(input, results);
  if (pattern) return { ...facts, writtenBytes: writtenBytes(backend, arena, arenaBytes, once), residentBytes: null };
  return { ...facts, writtenBytes: null, residentBytes: await residentAfter(session, once) };
}

/** Numbers without a meaning, made without garbage: drawing random ones lets V8's young generation grow, which would count as the net's memory. */
function someInput(shape: readonly number[]): SessionTensor {
  return { shape, data: new Float32Array(elementCount(shape)).map((_, i) => (i % 17) / 8 - 1) };
}

/** The same backend, and the blocks of memory that were asked of it and not given back. */
function recording(backend: Backend): { readonly backend: Backend; readonly blocks: ReadonlyMap<Pointer, number> } {
  const blocks = new Map<Pointer, number>();
  const { name, arithmetic, threads, lanes, panelColumns, microRows, readsHalves, multipliesBytes } = backend;
  return {
    blocks,
    backend: {
      ...{ name, arithmetic, threads, lanes, panelColumns, microRows, readsHalves, multipliesBytes },
      get memory() {
        return backend.memory;
      },
      allocate: (words) => {
        const pointer = backend.allocate(words);
        blocks.delete(pointer);
        blocks.set(pointer, words);
        return pointer;
      },
      free: (pointer) => {
        backend.free(pointer);
        blocks.delete(pointer);
      },
      f32: (pointer, length) => backend.f32(pointer, length),
      i32: (pointer, length) => backend.i32(pointer, length),
      u8: (pointer, length) => backend.u8(pointer, length),
      run: (calls) => backend.run(calls),
      compile: (calls) => backend.compile(calls),
      dispose: () => backend.dispose(),
    },
  };
}

/** A NaN that no arithmetic makes. */
const unwritten = 0x7fa5_a5a5;

function writtenBytes(backend: Backend, arena: Pointer, bytes: number, run: () => void): number {
  backend.i32(arena, bytes / 4).fill(unwritten);
  run();
  let words = 0;
  for (const word of backend.i32(arena, bytes / 4)) if (word !== unwritten) words++;
  return words * 4;
}

async function residentAfter(session: Session, run: () => void): Promise<number | null> {
  run();
  await settle();
  session.plan(); // keeps the session, and its memory, until here
  try {
    const [, kilobytes] = /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8")) ?? [];
    return kilobytes === undefined ? null : Number(kilobytes) * 1024;
  } catch {
    return null; // not Linux
  }
}

/** What JavaScript left behind is given back: V8 frees buffers beside the program, after a collection. */
async function settle(): Promise<void> {
  for (let i = 0; i < 3; i++) {
    (globalThis as { gc?: () => void }).gc?.();
    await sleep(100);
  }
}

process.once("message", (job: MemoryJob) => {
  measure(job)
    .catch(
      (error: unknown): MemoryAnswer => ({
        type: "failed",
        reason: error instanceof Error ? error.message : String(error),
      }),
    )
    .then((answer) => process.send!(answer, () => process.exit(0)));
});
