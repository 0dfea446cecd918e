import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { loadNet } from "../../../exchange/load-net.node.js";
import { fold } from "../../../graph/fold.js";
import { type BenchEngine, EngineAbsent } from "../job.js";
import { PythonProcess } from "./python-process.node.js";

interface PythonEngine {
  /** As people name it. */
  readonly title: string;
  /** That a Python has it shows by this. */
  readonly module: string;
  /** In assets/bench. */
  readonly script: string;
  /** Pictures that it takes at once; default any number. */
  readonly largestBatch?: number;
}

/**
 * An engine of a Python, where there is one that has it (REPVGG_PYTHON names another than the system's): it gets the graph, BatchNorm
 * folded, and runs in a process of its own, to which no input is sent anew.
 */
function pythonEngine({ title, module, script, largestBatch = Number.POSITIVE_INFINITY }: PythonEngine): BenchEngine {
  const scriptPath = fileURLToPath(new URL(`../../../../assets/bench/${script}`, import.meta.url));
  return async ({ modelPath, shapes, threads }) => {
    const python = process.env["REPVGG_PYTHON"] ?? (existsSync("/usr/bin/python3") ? "/usr/bin/python3" : "python3");
    await promisify(execFile)(python, ["-c", `import ${module}`]).catch(() => {
      throw new EngineAbsent(`${python} has no ${module}`);
    });
    if (Object.values(shapes).some(([batch = 1]) => batch > largestBatch)) {
      throw new EngineAbsent(`takes batches of ${largestBatch} here`);
    }
    const { graph } = fold((await loadNet(modelPath)).graph);
    let engine: PythonProcess | undefined;
    return {
      get description() {
        return `${title} ${engine?.version ?? ""}`;
      },
      get peakBytes() {
        return engine?.peakBytes;
      },
      async run(inputs) {
        engine ??= await PythonProcess.start(python, scriptPath, graph, inputs, threads);
        return engine.run();
      },
    };
  };
}

/** PyTorch: torch.nn.functional traced, frozen and optimized for inference (oneDNN). */
export const pytorch = pythonEngine({ title: "PyTorch", module: "torch", script: "pytorch_engine.py" });

/** ncnn's own kernels (Winograd, AVX-512 where the machine has it), by its Python package. */
export const ncnn = pythonEngine({ title: "ncnn", module: "ncnn", script: "ncnn_engine.py", largestBatch: 1 });
