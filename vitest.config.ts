import { defineConfig } from "vitest/config";

const jsonReport = process.env["VITEST_JSON"];

// Tests import the built package (`repvgg`, `#repvgg/…` → dist/): what is tested is what is shipped, workers included.
export default defineConfig({
  test: {
    include: ["tests/**/*.test.ts"],
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 60_000,
    server: { deps: { external: [/\/dist\//] } },
    reporters: jsonReport ? ["default", ["json", { outputFile: jsonReport }]] : ["default"],
  },
});
