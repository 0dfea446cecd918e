import type { BackendKind } from "../../../backend/options.js";
import { createBackend } from "../../../backend/select.node.js";
import { createSession } from "../../session.node.js";
import { type BenchEngine, EngineAbsent } from "../job.js";

/** This package, on kernels of a kind: by default the fastest there are. */
export function repvggEngine(kernels?: BackendKind): BenchEngine {
  return async ({ modelPath, shapes, threads }) => {
    const backend = await createBackend({ threads, ...(kernels && { kernels }) }).catch((error: Error) => {
      throw new EngineAbsent(error.message);
    });
    const session = await createSession(modelPath, { backend, shape: shapes });
    const first = session.outputNames[0]!;
    let output: Float32Array | undefined;
    return {
      description: backend.name,
      run(inputs) {
        if (output === undefined) output = session.run(inputs)[first]!.data;
        else session.runInto(inputs, { [first]: output });
        return output;
      },
    };
  };
}
