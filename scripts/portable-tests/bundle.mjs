// Test files of vitest as one module that any Node runs, from inside of this repository: what is no TypeScript (the built package,
// scripts) is imported from where it lies, by relative paths, which mean the same in an emulator of another system.
import { writeFileSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { root } from "../kernel-sources.mjs";

const here = dirname(fileURLToPath(import.meta.url));

/**
 * @param files test files, by paths from the repository
 * @param outfile in the repository, and in no `node_modules`
 */
export async function bundleTests(files, outfile) {
  const fromOutput = (path) => {
    const way = relative(dirname(outfile), path).split(sep).join("/");
    return { path: way.startsWith(".") ? way : `./${way}`, external: true };
  };
  const outside = {
    name: "outside",
    setup({ onResolve }) {
      onResolve({ filter: /^vitest$/ }, () => ({ path: join(here, "vitest.mjs") }));
      onResolve({ filter: /^#repvgg\// }, ({ path }) => fromOutput(join(root, path.replace("#repvgg", "dist"))));
      onResolve({ filter: /\.mjs$/ }, ({ path, resolveDir }) =>
        path.startsWith(".") && !path.includes("portable-tests") ? fromOutput(join(resolveDir, path)) : undefined,
      );
    },
  };
  const contents = `${files.map((file) => `await import(${JSON.stringify(`./${file}`)});`).join("\n")}
    import { runTests } from "vitest";
    import { nativeAbsence, nativeVariants } from "#repvgg/backend/native/native-backend.js";
    const counts = await runTests();
    const { platform, arch, version } = process;
    console.log(JSON.stringify({ ...counts, platform, arch, version, absence: nativeAbsence() ?? null, variants: nativeVariants() }));
    process.exit(counts.failed === 0 ? 0 : 1);`;
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: root, loader: "ts" },
    ...{ bundle: true, platform: "node", format: "esm", target: "node20", write: false, logLevel: "warning" },
    tsconfigRaw: { compilerOptions: { useDefineForClassFields: true } },
    plugins: [outside],
  });
  writeFileSync(outfile, outputFiles[0].contents);
}
