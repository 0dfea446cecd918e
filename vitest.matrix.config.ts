import { defineConfig } from "vitest/config";
import { shared } from "./vitest.config.js";

// What needs a package registry: `npm run test:examples`, `npm run test:runtimes`. Not part of `npm test`.
const installing = { ...shared, testTimeout: 600_000, hookTimeout: 600_000 };

export default defineConfig({
  test: {
    maxWorkers: 2,
    projects: [
      {
        test: {
          name: "examples",
          include: ["tests/matrix/examples.test.ts", "tests/matrix/stranger.test.ts"],
          globalSetup: "tests/browser/global-setup.ts",
          ...installing,
        },
      },
      { test: { name: "runtimes", include: ["tests/matrix/runtimes.test.ts"], ...installing } },
    ],
  },
});
