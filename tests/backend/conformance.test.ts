import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Backend } from "#repvgg/backend/backend.js";
import { kernelEncodings } from "#repvgg/backend/kernels.generated.js";
import { backendKinds, backends } from "./backends.js";
import { batchNormCases } from "./cases/batch-norm.js";
import { broadcastCases, selectCases } from "./cases/broadcast.js";
import { channelCases } from "./cases/channel.js";
import { elementwiseCases } from "./cases/elementwise.js";
import { gatherCases, rangeCases } from "./cases/gather.js";
import { layoutCases } from "./cases/layout.js";
import { lossCases } from "./cases/loss.js";
import { normalizeCases } from "./cases/normalize.js";
import { optimizerCases } from "./cases/optimizer.js";
import { placeCases } from "./cases/places.js";
import { poolingCases } from "./cases/pooling.js";
import { reduceCases } from "./cases/reduce.js";
import { stridedCases } from "./cases/strided.js";
import { unaryCases } from "./cases/unary.js";
import { bytesOf, difference, runCase } from "./run-case.js";

const cases = [
  ...elementwiseCases,
  ...channelCases,
  ...layoutCases,
  ...broadcastCases,
  ...poolingCases,
  ...placeCases,
  ...batchNormCases,
  ...lossCases,
  ...unaryCases,
  ...selectCases,
  ...stridedCases,
  ...gatherCases,
  ...rangeCases,
  ...reduceCases,
  ...normalizeCases,
  ...optimizerCases,
];
const kernels = [...new Set(cases.map((c) => c.kernel))];

it("covers every kernel that is not a convolution's", () => {
  const list = readFileSync(new URL("../../kernels/kernels.def", import.meta.url), "utf8");
  const [others] = list.split("# --- convolution kernels") as [string];
  const names = [...others.matchAll(/^([a-z]\w*) /gm)].map(([, name]) => name);
  expect([...kernels].sort()).toEqual(names.sort());
  for (const name of names) expect(kernelEncodings).toHaveProperty(name!);
});

const hashes = new Map<string, Map<string, string>>();

describe.each(backends)("$name", ({ name, create }) => {
  let backend: Backend;
  const ownHashes = new Map<string, string>();
  hashes.set(name, ownHashes);

  beforeAll(async () => {
    backend = await create();
  });
  afterAll(() => backend.dispose());

  it.each(kernels)("%s agrees with the float64 oracle and writes nothing else", (kernel) => {
    const hash = createHash("sha256");
    for (const kernelCase of cases.filter((c) => c.kernel === kernel)) {
      const results = runCase(backend, kernelCase);
      for (const [output, expected] of Object.entries(kernelCase.outputs)) {
        const actual = results.get(output)!;
        expect(difference(actual, expected), `${kernel} ${kernelCase.title}: ${output}`).toBeUndefined();
        hash.update(bytesOf(actual));
      }
    }
    ownHashes.set(kernel, hash.digest("hex"));
    expect(backend.memory.usedWords).toBe(0);
  });
});

describe.each(backendKinds)("the number of threads of $name", (kind) => {
  const same = backends.filter((backend) => backend.kind === kind);
  it.each(kernels)("does not change a bit of %s", (kernel) => {
    const found = same.map(({ name }) => hashes.get(name)!.get(kernel));
    expect(new Set(found).size).toBe(1);
    expect(found[0]).toBeDefined();
  });
});
