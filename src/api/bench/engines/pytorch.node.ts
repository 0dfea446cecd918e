import { type ChildProcessWithoutNullStreams, execFile, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { type NamedArray, toFloat32 } from "../../../core/named-arrays.js";
import { intAttribute, intsAttribute } from "../../../graph/attributes.js";
import { fold } from "../../../graph/fold.js";
import type { Graph, GraphNode } from "../../../graph/graph.js";
import { windowOf } from "../../../graph/window.js";
import { loadNet } from "../../exchange/load-net.node.js";
import { type BenchEngine, type BenchInputs, EngineAbsent } from "../job.js";

const script = fileURLToPath(new URL("../../../../assets/bench/pytorch_engine.py", import.meta.url));

/**
 * PyTorch on CPU, where a Python has it (REPVGG_PYTHON names another one): the graph, BatchNorm folded, out of torch.nn.functional, traced,
 * frozen and optimized for inference (oneDNN). It runs in a process of its own, to which no input is sent anew.
 */
export const pytorch: BenchEngine = async ({ modelPath, threads }) => {
  const python = process.env["REPVGG_PYTHON"] ?? (existsSync("/usr/bin/python3") ? "/usr/bin/python3" : "python3");
  await promisify(execFile)(python, ["-c", "import torch"]).catch(() => {
    throw new EngineAbsent(`${python} has no torch`);
  });
  const { graph } = fold((await loadNet(modelPath)).graph);
  let torch: TorchProcess | undefined;
  return {
    get description() {
      return `PyTorch ${torch?.version ?? ""}`;
    },
    get peakBytes() {
      return torch?.peakBytes;
    },
    async run(inputs) {
      torch ??= await TorchProcess.start(python, graph, inputs, threads);
      return torch.run();
    },
  };
};

class TorchProcess {
  peakBytes = 0;
  version = "";
  #length = 0;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #received: Buffer[] = [];
  #wake: () => void = () => {};
  #ended: string | undefined;

  private constructor(child: ChildProcessWithoutNullStreams) {
    this.#child = child;
    let errors = "";
    child.stderr.on("data", (text) => {
      errors += text;
    });
    child.stdout.on("data", (bytes: Buffer) => {
      this.#received.push(bytes);
      this.#wake();
    });
    child.on("close", (code) => {
      this.#ended = errors.trim().split("\n").at(-1) || `Python ended with code ${code}`;
      this.#wake();
    });
  }

  static async start(python: string, graph: Graph, inputs: BenchInputs, threads: number): Promise<TorchProcess> {
    const { net, numbers } = describe(graph, inputs);
    const folder = await mkdtemp(join(tmpdir(), "repvgg-pytorch-"));
    const env = {
      ...process.env,
      OMP_NUM_THREADS: String(threads),
      // glibc would give memory back to the system after each run, and find it anew.
      GLIBC_TUNABLES: "glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=100000000000",
    };
    try {
      await writeFile(join(folder, "net.json"), JSON.stringify(net));
      await writeFile(join(folder, "numbers.f32"), numbers);
      const torch = new TorchProcess(spawn(python, [script, folder, String(threads)], { env }));
      const { version, length } = JSON.parse((await torch.#take((bytes) => bytes.indexOf(10) + 1)).toString());
      torch.version = version;
      torch.#length = length;
      return torch;
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  async run(): Promise<Float32Array> {
    this.#child.stdin.write("\n");
    const answer = await this.#take((bytes) => (bytes.length < 8 + 4 * this.#length ? 0 : 8 + 4 * this.#length));
    this.peakBytes = Number(answer.readBigUInt64LE(0));
    return new Float32Array(Uint8Array.prototype.slice.call(answer, 8).buffer);
  }

  /** As many bytes as `length` says are a whole answer (0: not yet). */
  async #take(length: (bytes: Buffer) => number): Promise<Buffer> {
    for (;;) {
      const bytes = Buffer.concat(this.#received);
      const whole = length(bytes);
      if (whole > 0) {
        this.#received.splice(0, Number.POSITIVE_INFINITY, bytes.subarray(whole));
        return bytes.subarray(0, whole);
      }
      if (this.#ended !== undefined) throw new Error(this.#ended);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

interface Place {
  readonly shape: readonly number[];
  /** Of the first number. */
  readonly offset: number;
}

/** The net as the script reads it, and all numbers of it. */
function describe(graph: Graph, inputs: BenchInputs) {
  const parts: Float32Array[] = [];
  let offset = 0;
  const place = (shape: readonly number[], data: Float32Array): Place => {
    parts.push(data);
    offset += data.length;
    return { shape, offset: offset - data.length };
  };
  const constant = (array: NamedArray): Place => place(array.shape, toFloat32(array));
  const net = {
    inputs: Object.fromEntries(Object.entries(inputs).map(([name, { shape, data }]) => [name, place(shape, data)])),
    steps: graph.nodes.map((node) => ({ ...step(graph, node, constant), x: node.inputs[0], y: node.outputs[0] })),
    output: graph.outputs[0]!.name,
  };
  const numbers = new Float32Array(offset);
  let at = 0;
  for (const part of parts) {
    numbers.set(part, at);
    at += part.length;
  }
  return { net, numbers };
}

function step(graph: Graph, node: GraphNode, constant: (array: NamedArray) => Place): object {
  const { op } = node;
  const weight = graph.initializers.get(node.inputs[1] ?? "");
  const bias = graph.initializers.get(node.inputs[2] ?? "");
  const places = { ...(weight && { weight: constant(weight) }), ...(bias && { bias: constant(bias) }) };
  switch (op) {
    case "Conv": {
      if (!weight) break;
      const { strides, dilations, pads } = windowOf(node, weight.shape.slice(2));
      return { op, ...places, strides, dilations, pads, groups: intAttribute(node, "group", 1) };
    }
    case "Gemm":
      if (!weight || intAttribute(node, "transB", 0) !== 1) break;
      return { op, ...places };
    case "MaxPool": {
      const { kernel, strides, pads } = windowOf(node, intsAttribute(node, "kernel_shape") ?? []);
      return { op, kernel, strides, pads };
    }
    case "Add":
      if (weight) break;
      return { op, other: node.inputs[1] };
    case "Relu":
    case "GlobalAveragePool":
    case "Flatten":
      return { op };
  }
  throw new EngineAbsent(`this benchmark does not build ${op} "${node.name}" for it`);
}
