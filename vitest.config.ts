import { defineConfig } from "vitest/config";

const jsonReport = process.env["VITEST_JSON"];

// Tests import the built package (`repvgg`, `#repvgg/…` → dist/): what is tested is what is shipped, workers included.
export default defineConfig({
  test: {
    include: ["tests/**/*.test.ts"],
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 60_000,
    // A test that does not name its own hub asks a closed port of this machine, never a host of somebody else's.
    env: { HF_ENDPOINT: "http://127.0.0.1:9" },
    server: { deps: { external: [/\/dist\//] } },
    reporters: jsonReport ? ["default", ["json", { outputFile: jsonReport }]] : ["default"],
  },
});
