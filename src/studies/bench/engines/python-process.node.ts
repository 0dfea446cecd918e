import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Graph } from "../../../graph/graph.js";
import type { BenchInputs } from "../job.js";
import { describeNet } from "./described-net.js";

/** A Python process that runs one net, over and over: assets/bench/python_engine.py says what is written and read. */
export class PythonProcess {
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

  static async start(
    python: string,
    script: string,
    graph: Graph,
    inputs: BenchInputs,
    threads: number,
  ): Promise<PythonProcess> {
    const { net, numbers } = describeNet(graph, inputs);
    const folder = await mkdtemp(join(tmpdir(), "repvgg-bench-"));
    const env = {
      ...process.env,
      OMP_NUM_THREADS: String(threads),
      // glibc would give memory back to the system after each run, and find it anew.
      GLIBC_TUNABLES: "glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=100000000000",
    };
    try {
      await writeFile(join(folder, "net.json"), JSON.stringify(net));
      await writeFile(join(folder, "numbers.f32"), numbers);
      const engine = new PythonProcess(spawn(python, [script, folder, String(threads)], { env }));
      const { version, length } = JSON.parse((await engine.#take((bytes) => bytes.indexOf(10) + 1)).toString());
      engine.version = version;
      engine.#length = length;
      return engine;
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
