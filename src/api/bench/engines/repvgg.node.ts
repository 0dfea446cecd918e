import { createBackend } from "../../../backend/select.node.js";
import { createSession } from "../../../engine/session.js";
import { loadNet } from "../../exchange/load-net.node.js";
import { type BenchEngine, EngineAbsent } from "../job.js";

/** This package. REPVGG_BACKEND asks for a kind of kernels; with none it takes the fastest there is. */
export function repvggEngine(kind?: string): BenchEngine {
  return async ({ modelPath, shapes, threads }) => {
    const { graph } = await loadNet(modelPath);
    const backend = await createBackend({ threads }).catch((error: Error) => {
      throw new EngineAbsent(error.message);
    });
    if (kind !== undefined && !backend.name.startsWith(kind)) {
      throw new EngineAbsent(`there are no ${kind} kernels here, only ${backend.name}`);
    }
    const session = createSession(graph, { backend, shape: shapes });
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
