import { mkdtemp, readdir, readFile, rename, rm, truncate, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { convertedArray, deferredArray, inMemory } from "#repvgg/core/deferred-array.js";
import { UserError } from "#repvgg/core/errors.js";
import { type NamedArray, toFloat64 } from "#repvgg/core/named-arrays.js";
import { foldNet } from "#repvgg/exchange/fold-net.js";
import { loadNet, withNet } from "#repvgg/exchange/load-net.node.js";
import { netOf } from "#repvgg/exchange/net.js";
import { saveNet } from "#repvgg/exchange/save-net.node.js";
import { fold } from "#repvgg/graph/fold.js";
import { repvgg } from "#repvgg/nn/repvgg.js";
import { foldVerified } from "#repvgg/verify/fold-verified.node.js";
import { oraclePath } from "./support.js";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "repvgg-streaming-"));
});
afterEach(() => rm(folder, { recursive: true }));

const file = (name: string): string => join(folder, name);

/** Folds with everything in memory, and streaming; the bytes of both results. */
async function bothWays(input: string, ending: string, precision: "f32" | "f16"): Promise<[Buffer, Buffer]> {
  const [whole, streamed] = [file(`whole${ending}`), file(`streamed${ending}`)];
  await saveNet(foldNet(await loadNet(input)).net, whole, { precision });
  await withNet(input, {}, (net) => saveNet(foldNet(net, { deferred: true }).net, streamed, { precision }));
  return [await readFile(whole), await readFile(streamed)];
}

describe("streaming gives the same bytes as folding in memory", () => {
  test.each([
    "tiny-train.pth",
    "tiny-ddp-legacy.pth",
    "tiny-half.pth",
    "tiny-g4-train.pth",
    "tiny-se-train.pth",
    "tiny-plus-train.pth",
    "tiny-train.onnx",
    "block-dbb.onnx",
    "tiny-deploy.pth",
  ])("%s", async (name) => {
    for (const ending of [".safetensors", ".pth", ".onnx"]) {
      for (const precision of ["f32", "f16"] as const) {
        const [whole, streamed] = await bothWays(oraclePath(name), ending, precision);
        expect(streamed.equals(whole)).toBe(true);
      }
    }
  });

  test.each([".safetensors", ".onnx"])("kernels larger than a chunk, from and to %s", async (ending) => {
    const input = file(`wide${ending}`);
    await saveNet(netOf(repvgg("A0", { widths: [8, 8, 8, 8, 512], depths: [1, 1, 1, 2], classes: 3 })), input);
    const [whole, streamed] = await bothWays(input, ending, "f32");
    expect(streamed.equals(whole)).toBe(true);
  });

  test("with the proof", async () => {
    const input = oraclePath("tiny-train.pth");
    await saveNet((await foldVerified(await loadNet(input))).net, file("whole.safetensors"));
    await withNet(input, {}, async (net) => {
      const { net: folded, verification } = await foldVerified(net, { deferred: true });
      expect(verification.agree).toBe(true);
      await saveNet(folded, file("streamed.safetensors"));
    });
    expect(await readFile(file("streamed.safetensors"))).toEqual(await readFile(file("whole.safetensors")));
  });

  test("any run of a deferred kernel's elements is that run of the whole", async () => {
    for (const [name, precision] of [
      ["tiny-g4-train.pth", "f32"],
      ["tiny-train.pth", "f16"],
      ["tiny-train.pth", "f64"],
    ] as const) {
      const { graph } = await loadNet(oraclePath(name));
      const deferred = fold(graph, { precision, deferred: true }).graph.initializers;
      for (const [weight, array] of fold(graph, { precision }).graph.initializers) {
        const later = deferred.get(weight)!;
        expect(inMemory(later)).toEqual(array);
        const fill = later.fill as ((target: NamedArray["data"], from: number) => void) | undefined;
        if (!fill) continue;
        for (const [from, count] of [
          [0, 1],
          [5, 40],
          [array.data.length - 7, 7],
        ] as const) {
          const target = array.data.slice(0, count);
          fill(target, from);
          expect(target).toEqual(array.data.slice(from, from + count));
        }
      }
    }
  });
});

describe("a file that changes during the fold", () => {
  const folding = (change: (input: string) => Promise<void>): Promise<void> => {
    const input = file("net.pth");
    return withNet(input, {}, async (net) => {
      const { net: folded } = foldNet(net, { deferred: true });
      await change(input);
      await saveNet(folded, file("plain.safetensors"));
    });
  };

  beforeEach(async () => writeFile(file("net.pth"), await readFile(oraclePath("tiny-train.pth"))));

  test.each<[string, (input: string) => Promise<void>, RegExp]>([
    ["cut short", (input) => truncate(input, 20_000), /to stay as it is while it is read, received a shorter file/],
    ["emptied", (input) => truncate(input, 0), /received a shorter file/],
    [
      "written over",
      async (input) => {
        await writeFile(input, Buffer.alloc((await readFile(input)).length));
        await utimes(input, 1, 1); // whatever the clock's resolution
      },
      /written to meanwhile: wait until it is complete/,
    ],
  ])("%s gives one line, and leaves nothing behind", async (_, change, message) => {
    const failure = folding(change);
    await expect(failure).rejects.toThrow(UserError);
    await expect(failure).rejects.toThrow(message);
    await failure.catch((error: Error) => expect(error.message).not.toContain("\n"));
    expect(await readdir(folder)).toEqual(["net.pth"]);
  });

  test("cut short, of ONNX whose kernels stayed in the file", async () => {
    const input = file("net.onnx");
    await saveNet(netOf(repvgg("A0", { widths: [8, 8, 8, 8, 128], depths: [1, 1, 1, 2], classes: 3 })), input);
    const failure = withNet(input, {}, async (net) => {
      const { net: folded } = foldNet(net, { deferred: true });
      await truncate(input, 20_000);
      await saveNet(folded, file("plain.onnx"));
    });
    await expect(failure).rejects.toThrow(/to stay as it is while it is read, received a shorter file/);
    expect((await readdir(folder)).sort()).toEqual(["net.onnx", "net.pth"]);
  });

  test("another file under its name does not matter: the one that was opened is folded", async () => {
    await writeFile(file("other"), "nothing");
    await folding((input) => rename(file("other"), input));
    await saveNet(foldNet(await loadNet(oraclePath("tiny-train.pth"))).net, file("whole.safetensors"));
    expect(await readFile(file("plain.safetensors"))).toEqual(await readFile(file("whole.safetensors")));
  });

  test("its own name as the output", async () => {
    const input = file("net.pth");
    await withNet(input, {}, (net) => saveNet(foldNet(net, { deferred: true }).net, input));
    expect((await loadNet(input)).model?.form).toBe("plain");
    expect(await readdir(folder)).toEqual(["net.json", "net.pth"]);
  });
});

test("numbers beyond float16 stop the writing, and leave nothing behind", async () => {
  const model = repvgg("A0", { widths: [4, 4, 4, 4, 4], depths: [1, 1, 1, 1], classes: 3 });
  const huge = new Map(model.state).set("stage4.0.rbr_dense.conv.weight", {
    dtype: "f32",
    shape: [4, 4, 3, 3],
    data: new Float32Array(144).fill(1e6),
  });
  await saveNet(netOf({ ...model, state: huge }), file("net.safetensors"));
  const failure = withNet(file("net.safetensors"), {}, (net) =>
    saveNet(foldNet(net, { deferred: true }).net, file("plain.safetensors"), { precision: "f16" }),
  );
  await expect(failure).rejects.toThrow(/numbers that f16 can hold in "stage4\.0\.rbr_reparam\.weight"/);
  expect(await readdir(folder)).toEqual(["net.safetensors"]);
});

describe("deferred arrays", () => {
  const counted = (count: number): { array: NamedArray; calls: number[] } => {
    const calls: number[] = [];
    const fill = (target: NamedArray["data"], from: number): void => {
      calls.push(target.length);
      for (let i = 0; i < target.length; i++) target[i] = from + i;
    };
    return { array: deferredArray("f32", [count], fill), calls };
  };

  test("vectors are kept, what is larger is made at each access", () => {
    const small = counted(10);
    expect([small.array.data, small.array.data, small.calls]).toEqual([small.array.data, small.array.data, [10]]);
    const large = counted(100_000);
    expect(large.array.data[99_999]).toBe(99_999);
    expect(large.array.data[0]).toBe(0);
    expect(large.calls).toEqual([100_000, 100_000]);
  });

  test("a part of a converted array asks for that part only", () => {
    const { array, calls } = counted(1000);
    const converted = convertedArray(array, "f64", toFloat64);
    const target = new Float64Array(3);
    (converted.fill as (target: Float64Array, from: number) => void)(target, 500);
    expect([...target]).toEqual([500, 501, 502]);
    expect(calls).toEqual([3]);
  });
});
