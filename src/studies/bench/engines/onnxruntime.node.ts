import { readFile } from "node:fs/promises";
import { type BenchEngine, EngineAbsent } from "../job.js";

/** ONNX Runtime with its own thread pool, sequential execution, all graph optimizations (its defaults). */
export const onnxruntimeNode: BenchEngine = async ({ modelPath, threads }) => {
  const ort = await installed(() => import("onnxruntime-node"));
  const options = { intraOpNumThreads: threads, interOpNumThreads: 1, logSeverityLevel: 3 } as const;
  const session = await ort.InferenceSession.create(modelPath, options);
  return runner(ort, session, `onnxruntime-node ${ort.env.versions.node ?? ort.env.versions.common}`);
};

/** ONNX Runtime as WebAssembly, SIMD and threads. */
export const onnxruntimeWeb: BenchEngine = async ({ modelPath, threads }) => {
  const ort = await installed(() => import("onnxruntime-web"));
  ort.env.wasm.numThreads = threads;
  const options = { executionProviders: ["wasm"], logSeverityLevel: 3 } as const;
  const session = await ort.InferenceSession.create(await readFile(modelPath), options);
  return runner(ort, session, `onnxruntime-web ${ort.env.versions.web ?? ort.env.versions.common}`);
};

async function installed<T>(load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (error) {
    throw new EngineAbsent(`not installed (${(error as NodeJS.ErrnoException).code ?? error})`);
  }
}

interface OrtTensor {
  readonly data: unknown;
}

/** What the two packages have in common. */
interface Ort<T> {
  readonly Tensor: new (type: "float32", data: Float32Array, dims: readonly number[]) => T;
}

interface OrtSession<T> {
  readonly outputNames: readonly string[];
  run(feeds: Record<string, T>): Promise<Record<string, OrtTensor>>;
}

function runner<T>(ort: Ort<T>, session: OrtSession<T>, description: string) {
  const output = session.outputNames[0]!;
  return {
    description,
    async run(inputs: Parameters<Awaited<ReturnType<BenchEngine>>["run"]>[0]) {
      const feeds = Object.entries(inputs).map(([name, { data, shape }]): [string, T] => [
        name,
        new ort.Tensor("float32", data, shape),
      ]);
      const results = await session.run(Object.fromEntries(feeds));
      return results[output]!.data as Float32Array;
    },
  };
}
