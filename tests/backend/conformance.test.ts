import { writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Backend } from "#repvgg/backend/backend.js";
import { kernelEncodings } from "#repvgg/backend/kernels.generated.js";
import { kernelArrays } from "../../bench/kernel-arrays.mjs";
import { readKernels } from "../../scripts/kernel-list.mjs";
import { alike, backendKinds, backends } from "./backends.js";
import { batchNormCases } from "./cases/batch-norm.js";
import { broadcastCases, selectCases } from "./cases/broadcast.js";
import { byteCases } from "./cases/bytes.js";
import type { KernelCase } from "./cases/case.js";
import { channelCases } from "./cases/channel.js";
import { elementwiseCases } from "./cases/elementwise.js";
import { gatherCases, rangeCases } from "./cases/gather.js";
import { gridSampleCases } from "./cases/grid-sample.js";
import { layoutCases } from "./cases/layout.js";
import { lossCases } from "./cases/loss.js";
import { longProductCases, matmulCases } from "./cases/matmul.js";
import { normalizeCases } from "./cases/normalize.js";
import { optimizerCases } from "./cases/optimizer.js";
import { placeCases } from "./cases/places.js";
import { poolingCases } from "./cases/pooling.js";
import { rankedCases } from "./cases/ranked.js";
import { reduceCases } from "./cases/reduce.js";
import { resampleCases } from "./cases/resample.js";
import { stridedCases } from "./cases/strided.js";
import { unaryCases } from "./cases/unary.js";
import { difference, hashOf, runCase } from "./run-case.js";

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
  ...matmulCases,
  ...longProductCases,
  ...resampleCases,
  ...rankedCases,
  ...gridSampleCases,
  ...byteCases,
];
const kernels = [...new Set(cases.map((c) => c.kernel))];
const listed = new Map(readKernels().map((kernel) => [kernel.name, kernel]));

it("covers every kernel that is not a convolution's", () => {
  const names = [...listed.keys()].filter((name) => !name.startsWith("conv_"));
  expect([...kernels].sort()).toEqual(names.sort());
  for (const name of listed.keys()) expect(kernelEncodings).toHaveProperty(name);
});

/** What the benches run, by kernel: looked at for its bits, not for what it gives. */
const benchCases = new Map(
  kernels.map((kernel): [string, KernelCase] => {
    const entry = listed.get(kernel)!;
    const arrays = kernelArrays(entry);
    const named = (written: boolean) => arrays.filter((array) => array.written === written);
    return [
      kernel,
      {
        ...{ kernel, title: "as in its bench", scalars: entry.shape! },
        inputs: Object.fromEntries(named(false).map(({ name, values }) => [name, values])),
        outputs: Object.fromEntries(
          named(true).map(({ name, values }) => [name, { before: values, after: [], relative: 0, absolute: 0 }]),
        ),
      },
    ];
  }),
);

const hashes = new Map<string, Map<string, string>>();

/** For who compares the bits of several machines: scripts/check-native-packages.mjs. */
afterAll(() => {
  const file = process.env["KERNEL_HASHES"];
  if (!file) return;
  const kinds = backends.map(({ name, kind }) => ({
    ...{ name: kind.name, fuses: kind.fuses ?? null },
    hashes: Object.fromEntries(hashes.get(name)!),
  }));
  writeFileSync(file, JSON.stringify([...new Map(kinds.map((kind) => [kind.name, kind])).values()]));
});

describe.each(backends)("$name", ({ name, create }) => {
  let backend: Backend;
  const ownHashes = new Map<string, string>();
  hashes.set(name, ownHashes);

  beforeAll(async () => {
    backend = await create();
  });
  afterAll(() => backend.dispose());

  it.each(kernels)("%s agrees with the float64 oracle and writes nothing else", (kernel) => {
    const seen: Float32Array[] = [];
    for (const kernelCase of cases.filter((c) => c.kernel === kernel)) {
      const results = runCase(backend, kernelCase);
      for (const [output, expected] of Object.entries(kernelCase.outputs)) {
        const actual = results.get(output)!;
        expect(difference(actual, expected), `${kernel} ${kernelCase.title}: ${output}`).toBeUndefined();
        seen.push(actual);
      }
    }
    seen.push(...runCase(backend, benchCases.get(kernel)!).values());
    ownHashes.set(kernel, hashOf(seen));
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

describe("builds", () => {
  /** The threads do not matter: above. */
  const hashOn = (kind: string, kernel: string) =>
    hashes.get(backends.find((backend) => backend.kind.name === kind)!.name)!.get(kernel);

  it.each(kernels)("give the same bits of %s as far as kernels.def says", (kernel) => {
    for (const kinds of alike(listed.get(kernel)!.bits)) {
      const found = Object.fromEntries(kinds.map((kind) => [kind, hashOn(kind, kernel)]));
      expect(found).toEqual(Object.fromEntries(kinds.map((kind) => [kind, hashOn(kinds[0]!, kernel)])));
      for (const hash of Object.values(found)) expect(hash).toBeDefined();
    }
  });
});
