import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BackendKind } from "../../backend/options.js";
import { UserError } from "../../core/errors.js";
import type { Net } from "../../exchange/net.js";
import type { InputShapes } from "../../exchange/net-inputs.js";
import { saveNet } from "../../exchange/save-net.node.js";
import { Child } from "../child.node.js";
import type { MemoryAnswer, MemoryJob } from "./memory-job.js";
import type { MemoryGrowth, MemoryUse } from "./memory-use.js";

const main = new URL("./memory-child-main.node.js", import.meta.url);

/** Activations of the larger batch of {@link MemoryGrowth} take about so much, to stand out from what else a process does. */
const growthBytes = 2 ** 28;
const mostGrowth = 1024;

export interface UsedMemoryOptions {
  /** With the batch of the profile. */
  readonly shapes: InputShapes;
  readonly kernels: BackendKind;
  readonly threads: number;
}

/** A form to run. */
export interface UsedForm {
  readonly form: string;
  readonly net: Net;
  readonly fuseBatchNorm: boolean;
}

/**
 * What memory forms of a net really use when they run, each in processes of its own.
 * @throws UserError where a process cannot run its net.
 */
export async function usedMemory(
  forms: readonly UsedForm[],
  { shapes, kernels, threads }: UsedMemoryOptions,
): Promise<readonly MemoryUse[]> {
  const folder = await mkdtemp(join(tmpdir(), "repvgg-memory-"));
  try {
    const results: MemoryUse[] = [];
    for (const [i, { form, net, fuseBatchNorm }] of forms.entries()) {
      const modelPath = join(folder, `${i}.onnx`);
      await saveNet(net, modelPath);
      const job = { modelPath, fuseBatchNorm, kernels, threads };
      const once = await ask({ ...job, shapes, pattern: true });
      const { backend, plannedBytes, arenaBytes, writtenBytes } = once;
      const growth = await growthOf(job, shapes, once);
      const batch = batchOf(shapes);
      results.push({
        form,
        backend,
        batch,
        plannedBytes,
        arenaBytes,
        writtenBytes: writtenBytes!,
        ...(growth && { growth }),
      });
    }
    return results;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function growthOf(
  job: Omit<MemoryJob, "shapes" | "pattern">,
  shapes: InputShapes,
  { arenaBytes, holeBytes }: { readonly arenaBytes: number; readonly holeBytes: number },
): Promise<MemoryGrowth | undefined> {
  const pictureBytes = arenaBytes / batchOf(shapes);
  const more = Math.min(mostGrowth, Math.max(8, Math.ceil(growthBytes / pictureBytes)));
  // The smaller arena, too, is larger than what loading left behind: else it would lie in memory that the process has already.
  // And large enough for the planner to choose the same algorithms for both.
  const small = Math.max(more, Math.ceil((1.25 * holeBytes) / pictureBytes));
  const batches = [small, small + more] as const;
  const [few, many] = await Promise.all(
    batches.map((batch) => ask({ ...job, shapes: withBatch(shapes, batch), pattern: false })),
  );
  if (few!.residentBytes === null || many!.residentBytes === null) return undefined;
  return {
    batches,
    plannedBytes: (many!.arenaBytes + many!.portBytes - few!.arenaBytes - few!.portBytes) / more,
    usedBytes: (many!.residentBytes - many!.weightBytes - few!.residentBytes + few!.weightBytes) / more,
  };
}

function batchOf(shapes: InputShapes): number {
  return Object.values(shapes)[0]?.[0] ?? 1;
}

function withBatch(shapes: InputShapes, batch: number): InputShapes {
  return Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [name, [batch, ...shape.slice(1)]]));
}

async function ask(job: MemoryJob): Promise<Extract<MemoryAnswer, { type: "measured" }>> {
  const child = new Child<MemoryJob, MemoryAnswer>(main, { execArgv: ["--expose-gc"] });
  try {
    const answer = await child.ask(job);
    if (answer.type === "measured") return answer;
    throw unmeasured(answer.reason);
  } catch (error) {
    throw error instanceof UserError ? error : unmeasured((error as Error).message);
  }
}

function unmeasured(received: string): UserError {
  return new UserError({ expected: "a process to run the net once", received });
}
