import { setFlagsFromString } from "node:v8";
import { createSession } from "../../../api/session.node.js";
import type { BackendOptions } from "../../../backend/options.js";
import { createBackend } from "../../../backend/select.node.js";
import { relaxedObstacle } from "../../../backend/wasm/relaxed.js";
import { type BenchEngine, EngineAbsent } from "../job.js";

/** Kernels, and whether weights are float16. */
export interface OwnOptions extends BackendOptions {
  readonly halfWeights?: boolean;
}

/** This package, on kernels of a kind: by default the fastest there are. */
export function repvggEngine({ halfWeights = false, ...kernels }: OwnOptions = {}): BenchEngine {
  return async ({ modelPath, shapes, threads }) => {
    // Node 20 has relaxed SIMD behind a flag, later ones without: this process runs nothing but the engine.
    if (kernels.relaxed === "on" && relaxedObstacle()) setFlagsFromString("--experimental-wasm-relaxed-simd");
    const backend = await createBackend({ threads, ...kernels }).catch((error: Error) => {
      throw new EngineAbsent(error.message);
    });
    if (halfWeights && !backend.readsHalves) throw new EngineAbsent(`${backend.name} reads no float16 weights`);
    const session = await createSession(modelPath, { backend, shape: shapes, halfWeights });
    const first = session.outputNames[0]!;
    let output: Float32Array | undefined;
    return {
      description: `${backend.name}${halfWeights ? ", float16 weights" : ""}`,
      run(inputs) {
        if (output === undefined) output = session.run(inputs)[first]!.data;
        else session.runInto(inputs, { [first]: output });
        return output;
      },
    };
  };
}
