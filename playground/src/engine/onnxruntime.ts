import type { EngineNet, Preprocessing } from "repvgg/browser";
import type { OrtProvider, OrtRunner } from "./ort.worker.js";
import { connect } from "./rpc.js";

/** Where the build keeps onnxruntime-web's own files, beside the page. */
const folder = new URL("onnxruntime/", document.baseURI).href;

let known: Promise<boolean> | undefined;

/** Whether this site has onnxruntime-web: a file that every site has says so, because asking for one that is not there leaves an error in the console. */
export function hasOnnxruntime(): Promise<boolean> {
  known ??= fetch(new URL("shared/engines.json", document.baseURI))
    .then(async (response) => response.ok && (await response.json()).onnxruntime === true)
    .catch(() => false);
  return known;
}

/** A net in onnxruntime-web, in a worker of its own. @throws where this site does not have it, or it cannot run the net */
export async function openOnnxruntime(
  { provider, threads }: { readonly provider: OrtProvider; readonly threads: number },
  net: EngineNet,
  picture: Blob,
): Promise<{ run(): Promise<number>; close(): void }> {
  if (!(await hasOnnxruntime())) throw new Error("this site does not have onnxruntime-web");
  const model = new Uint8Array(await (await net.save("onnx")).arrayBuffer());
  const worker = connect<OrtRunner>(new Worker(new URL("./ort.worker.ts", import.meta.url), { type: "module" }));
  try {
    const preprocessing = net.info.preprocessing as Preprocessing;
    await worker.call("open", { folder, provider, threads, model, picture, preprocessing });
    return { run: () => worker.call("run", {}), close: () => worker.close() };
  } catch (error) {
    worker.close();
    throw error;
  }
}
