import { decodePicture, type Preprocessing, pictureInput } from "repvgg/browser";
import { serve } from "./rpc.js";

/**
 * onnxruntime-web in a worker of its own, so that its threads and memory go with it. Its files lie beside the page and are loaded
 * when it is first wanted.
 */
export type OrtRunner = typeof runner;

/** The part of onnxruntime-web that is used. */
interface Ort {
  readonly env: { wasm: { wasmPaths?: string; numThreads?: number; proxy?: boolean } };
  readonly Tensor: new (type: "float32", data: Float32Array, shape: readonly number[]) => unknown;
  readonly InferenceSession: {
    create(model: Uint8Array, options: { executionProviders: readonly string[] }): Promise<OrtSession>;
  };
}

interface OrtSession {
  readonly inputNames: readonly string[];
  run(inputs: Record<string, unknown>): Promise<Record<string, { readonly data: Float32Array }>>;
}

export type OrtProvider = "wasm" | "webgpu";

let ort: Ort | undefined;
let session: OrtSession | undefined;
let inputs: Record<string, unknown> = {};

const runner = {
  /** @param folder address of onnxruntime's files */
  async open(parameters: {
    folder: string;
    provider: OrtProvider;
    threads: number;
    model: Uint8Array;
    picture: Blob;
    preprocessing: Preprocessing;
  }): Promise<void> {
    const { folder, provider, threads, model, picture, preprocessing } = parameters;
    const file = provider === "webgpu" ? "ort.webgpu.min.mjs" : "ort.wasm.min.mjs";
    ort = (await import(/* @vite-ignore */ new URL(file, folder).href)) as Ort;
    ort.env.wasm.wasmPaths = folder;
    ort.env.wasm.numThreads = threads;
    session = await ort.InferenceSession.create(model, { executionProviders: [provider] });
    const { shape, data } = pictureInput(await decodePicture(picture), preprocessing);
    inputs = { [session.inputNames[0]!]: new ort.Tensor("float32", data, shape) };
  },

  /** Runs once. @returns milliseconds */
  async run(_: Record<string, never>): Promise<number> {
    const start = performance.now();
    const outputs = await session!.run(inputs);
    // Reading the result waits for a GPU.
    void Object.values(outputs)[0]!.data[0];
    return performance.now() - start;
  },
};

serve(runner);
