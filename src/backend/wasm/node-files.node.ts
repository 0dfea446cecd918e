import { readFile } from "node:fs/promises";
import { UserError } from "../../core/errors.js";
import { describeSystemError } from "../../core/system-errors.js";
import { compileKernels, kernelUrl } from "../kernel-files.js";
import type { WasmBuild } from "./wasm-backend.js";

/** What to do where the package's files are not beside its code. */
export const keepExternal =
  'a bundler has moved this package\'s code away from its files: keep repvgg external (esbuild: --external:repvgg; Next.js: serverExternalPackages: ["repvgg"])';

/** Compiles a build's kernels from the package's folder. @throws UserError where they are not there, or are another file. */
export async function loadKernels(build: WasmBuild): Promise<WebAssembly.Module> {
  const url = kernelUrl(build);
  const bytes = await readFile(url).catch((cause: unknown) => {
    const received = describeSystemError(cause);
    throw new UserError({ expected: `the kernels at ${url.href}`, received, remedy: keepExternal }, { cause });
  });
  return compileKernels(new Uint8Array(bytes), url.href, keepExternal);
}
