import { AssertionError } from "node:assert";
import { afterAll, describe, expect, it } from "vitest";
import type { Backend } from "#repvgg/backend/backend.js";
import { createBackend } from "#repvgg/backend/select.node.js";
import { UserError } from "#repvgg/core/errors.js";
import { foldNet } from "#repvgg/exchange/fold-net.js";
import { loadNet } from "#repvgg/exchange/load-net.node.js";
import type { Net } from "#repvgg/exchange/net.js";
import { foldVerified } from "#repvgg/verify/fold-verified.node.js";
import {
  type Export,
  expectAsDefined,
  expectCounts,
  expectFromEngine,
  expectFromRuntime,
  expectSavedToRun,
  exports,
} from "./third-party.js";
import { type Check, knownGaps } from "./third-party-gaps.js";

// Nets of other people as their exporters write them; tests/fixtures/third-party/README.md says how they were made.

const native = await createBackend({ threads: 2 });
const wasm = await createBackend({ threads: 1, kernels: "wasm" });
afterAll(() => {
  native.dispose();
  wasm.dispose();
});

const nets = new Map<string, Promise<Net>>();

/** Folded once for all checks. */
function folded({ name, path }: Export): Promise<Net> {
  const net = nets.get(name) ?? loadNet(path).then((read) => foldNet(read).net);
  nets.set(name, net);
  return net;
}

const onEngine = (backend: Backend) => async (source: Export) =>
  expectFromEngine(backend, await folded(source), source, tolerance(source));

/** Of float32 against float64: a block is a few layers deep, a net many. */
function tolerance({ name }: Export): number {
  return name.startsWith("blocks/") ? 1e-5 : 5e-5;
}

const checks: Record<Check, (source: Export) => Promise<void>> = {
  evaluator: async (source) => {
    expectAsDefined(await loadNet(source.path), source);
    expectAsDefined(await folded(source), source);
  },
  fold: async (source) => expectSavedToRun(await folded(source), source, tolerance(source)),
  count: async (source) => expectCounts(await folded(source), source),
  proof: async ({ path }) => expect((await foldVerified(await loadNet(path))).verification.agree).toBe(true),
  native: onEngine(native),
  wasm: onEngine(wasm),
};

const reasons = new Map(
  knownGaps.flatMap(({ check, reason, of }) =>
    [check].flat().flatMap((kind) => of.map((name) => [`${kind} ${name}`, reason] as const)),
  ),
);

describe.each(exports.map((source) => [source.name, source] as const))("%s", { timeout: 60_000 }, (_, source) => {
  it("is what ONNX Runtime computes from the file", async () => {
    await expectFromRuntime(source.path, source, tolerance(source));
  });

  it.each(Object.keys(checks) as Check[])("%s", async (check) => {
    if (check === "count" && source.fixture.convolutions === undefined) return;
    const reason = reasons.get(`${check} ${source.name}`) ?? reasons.get(`${check} ${source.fixtureName}`);
    const failure = await checks[check](source).then(
      () => undefined,
      (error: unknown) => error,
    );
    if (!reason) {
      if (failure) throw failure;
    } else if (!failure) {
      expect.fail(`closed: take "${source.name}" out of knownGaps, ${check} (${reason})`);
    } else if (!(failure instanceof UserError || (failure as Error).name === AssertionError.name)) {
      throw failure; // a gap is a refusal or a missed aim; anything else is a crash
    }
  });
});

it("every known gap names a fixture", () => {
  const known = exports.flatMap(({ name, fixtureName }) => [name, fixtureName]);
  expect([...reasons.keys()].filter((key) => !known.includes(key.split(" ")[1]!))).toEqual([]);
});
