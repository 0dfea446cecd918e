import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { createBackend } from "#repvgg/backend/select.node.js";
import { UserError } from "#repvgg/core/errors.js";
import type { NamedArray } from "#repvgg/core/named-arrays.js";
import { createSession } from "#repvgg/engine/session.js";
import { fold } from "#repvgg/graph/fold.js";
import { decodeAttribute, readOnnx } from "#repvgg/formats/onnx/model.js";
import { tensorToArray } from "#repvgg/formats/onnx/tensor.js";
import { evaluate } from "#repvgg/graph/evaluate/evaluate.js";
import { toTensor64 } from "#repvgg/graph/evaluate/tensor64.js";
import { fromOnnx } from "#repvgg/graph/from-onnx.js";
import type { Graph } from "#repvgg/graph/graph.js";

/**
 * The ONNX project's own backend tests (folders with model.onnx and test_data_set_0), which are not part of this repository: ONNX_BACKEND_TESTS
 * names where they lie. Every result is right, or a UserError that says which operator and why; never a wrong number, never another error.
 */
const folder = process.env.ONNX_BACKEND_TESTS;

function testsIn(root: string): string[] {
  return readdirSync(root, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith("model.onnx"))
    .map((name) => dirname(join(root, name)))
    .filter((path) => existsSync(join(path, "test_data_set_0")) && statSync(path).isDirectory())
    .sort();
}

/** A tensor's message as field t of an attribute's: that is read in public. */
function asAttribute(tensor: Uint8Array): Uint8Array {
  const length: number[] = [];
  let rest = tensor.length;
  for (; rest > 127; rest >>>= 7) length.push((rest & 127) | 128);
  return Uint8Array.from([0x2a, ...length, rest, ...tensor]);
}

function tensors(path: string, kind: "input" | "output"): (NamedArray | undefined)[] {
  const set = join(path, "test_data_set_0");
  const names = readdirSync(set).filter((name) => name.startsWith(`${kind}_`));
  return names.map((_, i) => {
    try {
      const { t } = decodeAttribute(asAttribute(readFileSync(join(set, `${kind}_${i}.pb`))));
      return tensorToArray(t!);
    } catch (error) {
      if (error instanceof UserError) return undefined; // a sequence, a string
      throw error;
    }
  });
}

interface Case {
  readonly graph: Graph;
  readonly inputs: ReadonlyMap<string, NamedArray>;
  readonly expected: readonly NamedArray[];
}

/** Undefined where there are values of kinds that we do not hold. */
function load(path: string): Case | undefined {
  const { graph } = fromOnnx(readOnnx(readFileSync(join(path, "model.onnx"))));
  const [given, expected] = [tensors(path, "input"), tensors(path, "output")];
  if (given.includes(undefined) || expected.includes(undefined)) return undefined;
  const inputs = new Map(graph.inputs.flatMap(({ name }, i) => (given[i] ? [[name, given[i]] as const] : [])));
  return { graph, inputs, expected: expected as NamedArray[] };
}

function expectClose(received: ArrayLike<number>, expected: NamedArray): void {
  const { data } = toTensor64(expected);
  const loose = expected.dtype === "f16" || expected.dtype === "bf16" ? 1e-2 : 1e-3;
  expect(received.length).toBe(data.length);
  for (let i = 0; i < data.length; i++) {
    const [a, b] = [received[i]!, data[i]!];
    if (Object.is(a, b) || (Number.isNaN(a) && Number.isNaN(b))) continue;
    expect(Math.abs(a - b), `element ${i}: ${a}, expected ${b}`).toBeLessThanOrEqual(loose * Math.abs(b) + loose / 100);
  }
}

/** Random outputs have no right value: that they are refused is what is asked. */
const random = /training_dropout/;

describe.skipIf(!folder)("ONNX's backend tests", () => {
  const paths = folder ? testsIn(folder) : [];
  const seen = { evaluated: 0, refused: 0, run: 0, engineRefused: 0 };
  const backends = new Map<string, Awaited<ReturnType<typeof createBackend>>>();
  afterAll(() => {
    for (const backend of backends.values()) backend.dispose();
    console.log(
      `evaluated ${seen.evaluated}, refused ${seen.refused}; engine runs ${seen.run}, refuses ${seen.engineRefused}`,
    );
  });

  it("stand in the folder that ONNX_BACKEND_TESTS names", () => {
    expect(paths.length).toBeGreaterThan(0);
  });

  it.each(paths.map((path) => [relative(folder!, path), path]))("%s", async (name, path) => {
    const refusal = async (work: () => void | Promise<void>): Promise<string | undefined> => {
      try {
        await work();
        return undefined;
      } catch (error) {
        if (!(error instanceof UserError)) throw error;
        expect(error.message).not.toContain("\n");
        return error.message;
      }
    };
    let found: Case | undefined;
    const unreadable = await refusal(() => {
      found = load(path);
    });
    if (unreadable) return;
    if (!found || random.test(name!)) return;
    const { graph, inputs, expected } = found;
    const evaluated = await refusal(() => {
      for (const each of [graph, fold(graph).graph]) {
        [...evaluate(each, inputs).values()].forEach((value, i) => {
          expect(value.shape).toEqual(expected[i]!.shape);
          expectClose(value.data, expected[i]!);
        });
      }
    });
    seen[evaluated ? "refused" : "evaluated"]++;
    // The engine takes float32: what that cannot hold it is not given.
    const held = ({ dtype, data }: NamedArray): boolean =>
      dtype === "f64" ? data.every((x) => Math.abs(x) < 1e38) : /^b?f/.test(dtype);
    if (![...inputs.values(), ...expected.filter(({ dtype }) => dtype === "f64")].every(held)) return;
    for (const kernels of ["native", "wasm"] as const) {
      if (!backends.has(kernels)) backends.set(kernels, await createBackend({ kernels, threads: 1 }));
      const refused = await refusal(async () => {
        const shape = Object.fromEntries([...inputs].map(([input, value]) => [input, value.shape]));
        const session = createSession(graph, { backend: backends.get(kernels)!, shape });
        try {
          const feeds = Object.fromEntries(
            [...inputs].map(([input, value]) => [
              input,
              { shape: value.shape, data: Float32Array.from(toTensor64(value).data) },
            ]),
          );
          const outputs = session.run(feeds);
          graph.outputs.forEach((output, i) => {
            expect([...outputs[output.name]!.shape]).toEqual([...expected[i]!.shape]);
            expectClose(outputs[output.name]!.data, expected[i]!);
          });
        } finally {
          session.dispose();
        }
      });
      seen[refused ? "engineRefused" : "run"]++;
    }
  });
});
