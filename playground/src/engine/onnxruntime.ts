import type { EngineNet, Preprocessing } from "repvgg/browser";
import type { OrtProvider, OrtRunner } from "./ort.worker.js";
import { connect } from "./rpc.js";

/** Where the build keeps onnxruntime-web's own files, beside the page. */
const folder = new URL("onnxruntime/", document.baseURI).href;

/** A net in onnxruntime-web, in a worker of its own. @throws where this build does not have it, or it cannot run the net */
export async function openOnnxruntime(
  { provider, threads }: { readonly provider: OrtProvider; readonly threads: number },
  net: EngineNet,
  picture: Blob,
): Promise<{ run(): Promise<number>; close(): void }> {
  const found = await fetch(new URL("ort.wasm.min.mjs", folder), { method: "HEAD" });
  if (!found.ok || !found.headers.get("content-type")?.includes("javascript")) {
    throw new Error("this build does not have onnxruntime-web");
  }
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
