import { UserError } from "../core/errors.js";
import type { WasmBuild } from "./wasm/wasm-backend.js";

/**
 * Where the compiled kernels of a build lie. Literal addresses: bundlers find files by them. In `dist/bundle/` the same address has to fit: one folder up.
 */
export function kernelUrl(build: WasmBuild): URL {
  switch (build) {
    case "simd":
      return new URL("../kernels/simd.wasm", import.meta.url);
    case "simd-threads":
      return new URL("../kernels/simd-threads.wasm", import.meta.url);
    case "simd-threads-relaxed":
      return new URL("../kernels/simd-threads-relaxed.wasm", import.meta.url);
  }
}

/**
 * Compiles kernels, after a look whether this runtime takes them: what a bundler or a server gave in place of the file is not compiled.
 * @param place where they come from  @param remedy what to do where it is another file
 * @throws UserError for bytes that are no WebAssembly, or have instructions that this runtime lacks
 */
export async function compileKernels(
  bytes: Uint8Array<ArrayBuffer>,
  place: string,
  remedy: string,
): Promise<WebAssembly.Module> {
  if (!WebAssembly.validate(bytes)) {
    const wasm = bytes.length >= 4 && bytes[0] === 0 && bytes[1] === 0x61 && bytes[2] === 0x73 && bytes[3] === 0x6d;
    throw new UserError({
      expected: `kernels that this runtime takes at ${place}`,
      received: wasm ? "WebAssembly with instructions that it lacks" : "a file that is no WebAssembly",
      remedy,
    });
  }
  return WebAssembly.compile(bytes);
}
