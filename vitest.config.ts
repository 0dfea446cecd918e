import { defineConfig } from "vitest/config";

const jsonReport = process.env["VITEST_JSON"];

export const shared = {
  pool: "forks" as const,
  testTimeout: 60_000,
  // A test that does not name its own hub asks a closed port of this machine, never a host of somebody else's.
  // Every kernel call of the engine is held against its buffers.
  env: { HF_ENDPOINT: "http://127.0.0.1:9", REPVGG_CHECK_KERNELS: "1" },
  server: { deps: { external: [/\/dist\//] } },
};

/** Tests that need a real browser: they share one process of it. */
const inBrowser = ["tests/browser/**/*.test.ts", "tests/examples/**/*.test.ts", "tests/playground/**/*.test.ts"];

// Tests import the built package (`repvgg`, `#repvgg/…` → dist/): what is tested is what is shipped, workers included.
export default defineConfig({
  test: {
    maxWorkers: 2,
    reporters: jsonReport ? ["default", ["json", { outputFile: jsonReport }]] : ["default"],
    projects: [
      {
        test: { name: "node", include: ["tests/**/*.test.ts"], exclude: [...inBrowser, "tests/matrix/**"], ...shared },
      },
      {
        test: {
          name: "browser",
          include: inBrowser,
          globalSetup: "tests/browser/global-setup.ts",
          ...shared,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
