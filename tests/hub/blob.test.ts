import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { UserError } from "#repvgg/core/errors.js";
import { digestOf, ensureBlob } from "#repvgg/hub/blob.node.js";
import { claimPartial, releasePartial } from "#repvgg/hub/partial.node.js";
import type { RemoteFile } from "#repvgg/hub/remote-file.js";
import { gitSha1, sha256 } from "./fake-hub.js";
import { testFolder } from "./support.js";

const content = Buffer.from(Array.from({ length: 1000 }, (_, i) => (i * 7) % 251));
const host = hostname().replace(/[^\w-]/g, "_");
const dead = 2 ** 22 + 1; // beyond the highest process id of Linux

/** A file elsewhere that notes from where it was asked for, in chunks of 300 bytes. */
function remote(bytes: Uint8Array = content, more: Partial<RemoteFile> = {}): RemoteFile & { asked: number[] } {
  const asked: number[] = [];
  return {
    ...{ name: "model.bin", blob: "blob", bytes: content.length, asked },
    digest: { algorithm: "sha256", hex: sha256(content) },
    async *open(from) {
      asked.push(from);
      for (let at = from; at < bytes.length; at += 300) yield bytes.subarray(at, Math.min(bytes.length, at + 300));
    },
    ...more,
  };
}

const partialName = (n: number, { owner = host, pid = dead, instance = "0123abcd", blob = "blob" } = {}): string =>
  `${blob}.${owner}.${pid}.${instance}.${n}.incomplete`;

function withPartial(bytes: Uint8Array, name = partialName(0)): string {
  const folder = testFolder();
  writeFileSync(join(folder, name), bytes);
  return folder;
}

describe("a file that is got", () => {
  test("is whole, checked, under its content's name, and told of as it comes", async () => {
    const folder = join(testFolder(), "a", "b");
    const told: [number, number][] = [];
    const file = remote();
    expect(await ensureBlob(folder, file, { onBytes: (done, total) => told.push([done, total]) })).toBe(
      sha256(content),
    );
    expect(readFileSync(join(folder, "blob")).equals(content)).toBe(true);
    expect(readdirSync(folder)).toEqual(["blob"]);
    expect(told).toEqual([0, 300, 600, 900, 1000].map((done) => [done, 1000]));
    expect(await ensureBlob(folder, file)).toBe(sha256(content));
    expect(file.asked).toEqual([0]);
  });

  test("by git's digest, by the beginning of one, or by none", async () => {
    for (const digest of [
      { algorithm: "git-sha1", hex: gitSha1(content) },
      { algorithm: "sha256", hex: sha256(content).slice(0, 8) },
      { algorithm: "sha256", hex: undefined },
    ] as const) {
      const folder = testFolder();
      const whole = digest.algorithm === "sha256" ? sha256(content) : gitSha1(content);
      expect(await ensureBlob(folder, remote(content, { digest }))).toBe(whole);
      expect(await digestOf(join(folder, "blob"), digest)).toBe(whole);
      expect(await digestOf(join(folder, "blob"), digest, 1000)).toBe(whole);
      expect(await digestOf(join(folder, "blob"), digest, 999)).toBeUndefined();
      expect(await digestOf(folder, digest)).toBeUndefined();
      expect(await digestOf(join(folder, "none"), digest)).toBeUndefined();
    }
    const folder = testFolder();
    writeFileSync(join(folder, "blob"), content.subarray(1));
    expect(await digestOf(join(folder, "blob"), remote().digest)).toBeUndefined();
  });

  test.each([
    ["begun", 400, [400]],
    ["begun, by no byte", 0, [0]],
    ["whole but for its name", 1000, []],
  ] as const)("goes on where it was %s", async (_, size, asked) => {
    const folder = withPartial(content.subarray(0, size));
    const file = remote();
    const told: number[] = [];
    await ensureBlob(folder, file, { onBytes: (done) => told.push(done) });
    expect(file.asked).toEqual(asked);
    expect(told[0]).toBe(size);
    expect(readdirSync(folder)).toEqual(["blob"]);
    expect(readFileSync(join(folder, "blob")).equals(content)).toBe(true);
  });

  test.each([
    ["longer than the file", Buffer.concat([content, content.subarray(0, 1)]), [0]],
    ["much longer", Buffer.alloc(5000), [0]],
    ["damaged", Buffer.alloc(500, 1), [500, 0]],
    ["of the right size, but damaged", Buffer.alloc(1000, 1), [0]],
  ])("is begun anew where what was there is %s", async (_, before, asked) => {
    const folder = withPartial(before);
    const file = remote();
    await ensureBlob(folder, file);
    expect(file.asked).toEqual(asked);
    expect(readFileSync(join(folder, "blob")).equals(content)).toBe(true);
  });

  test("is got again where what the cache has is damaged", async () => {
    for (const damaged of [content.subarray(1), Buffer.alloc(1000)]) {
      const folder = testFolder();
      writeFileSync(join(folder, "blob"), damaged);
      await ensureBlob(folder, remote());
      expect(readFileSync(join(folder, "blob")).equals(content)).toBe(true);
    }
  });

  test("goes on after a break, with what has come", async () => {
    let breaks = 2;
    const asked: number[] = [];
    const file = remote(content, {
      async *open(from) {
        asked.push(from);
        yield content.subarray(from, from + 100);
        if (breaks-- > 0) throw Object.assign(new Error("reset"), { code: "ECONNRESET" });
        yield content.subarray(from + 100);
      },
    });
    const folder = testFolder();
    await ensureBlob(folder, file);
    expect(asked).toEqual([0, 100, 200]);
    expect(readFileSync(join(folder, "blob")).equals(content)).toBe(true);
  });
});

describe("a file that cannot be got", () => {
  test.each([
    [
      "is damaged on its way",
      Buffer.alloc(1000, 3),
      /^expected model\.bin of 1000 bytes with sha256 [0-9a-f]{64}, received [0-9a-f]{64}: /,
    ],
    ["is longer than was said", Buffer.concat([content, content]), /received more bytes: the file was damaged/],
    ["is longer by one byte", Buffer.concat([content, Buffer.of(1)]), /received more bytes/],
  ])("because it %s leaves nothing behind", async (_, bytes, message) => {
    const folder = testFolder();
    const failure = ensureBlob(folder, remote(bytes));
    await expect(failure).rejects.toThrow(UserError);
    await expect(failure).rejects.toThrow(message);
    expect(readdirSync(folder)).toEqual([]);
    const unknown = remote(bytes, { digest: { algorithm: "sha256", hex: undefined } });
    if (bytes.length > 1000)
      await expect(ensureBlob(folder, unknown)).rejects.toThrow(/^expected model\.bin of 1000 bytes, received more/);
  });

  test("because the caller stops keeps what has come", async () => {
    const folder = testFolder();
    const stop = new AbortController();
    const file = remote(content, {
      async *open() {
        yield content.subarray(0, 200);
        stop.abort();
        throw new Error("stopped");
      },
    });
    await expect(ensureBlob(folder, file, { signal: stop.signal })).rejects.toThrow("stopped");
    const [left] = readdirSync(folder);
    expect(left).toMatch(new RegExp(`^blob\\.${host}\\.${process.pid}\\.[0-9a-f]{8}\\.\\d+\\.incomplete$`));
    expect(readFileSync(join(folder, left!)).equals(content.subarray(0, 200))).toBe(true);
    const again = remote();
    await ensureBlob(folder, again);
    expect(again.asked).toEqual([200]);
    expect(readdirSync(folder)).toEqual(["blob"]);
  });

  test("because its server refuses it is not asked for again", async () => {
    let asked = 0;
    const file = remote(content, {
      // biome-ignore lint/correctness/useYield: it is to fail before it yields
      async *open() {
        asked++;
        throw new UserError({ expected: "leave", received: "none" });
      },
    });
    await expect(ensureBlob(testFolder(), file)).rejects.toThrow("expected leave, received none");
    expect(asked).toBe(1);
  });
});

describe("unfinished downloads", () => {
  test("of a process that has gone are taken over: the largest, and the others are removed", async () => {
    const folder = testFolder();
    for (const [n, size] of [10, 30, 20].entries()) writeFileSync(join(folder, partialName(n)), Buffer.alloc(size));
    const path = await claimPartial(folder, "blob");
    expect(readdirSync(folder).map((name) => join(folder, name))).toEqual([path]);
    expect(readFileSync(path).length).toBe(30);
    releasePartial(path);
  });

  test.each([
    ["another machine", partialName(0, { owner: `${host}-2` })],
    ["a process that runs", partialName(0, { pid: process.ppid })],
    ["this process, in another thread", partialName(0, { pid: process.pid })],
    ["another blob", partialName(0, { blob: "blob2" })],
    ["a blob whose name goes on", partialName(0, { blob: "other.blob" })],
    ["nobody that is known", "blob.incomplete"],
    ["a name that goes on", `${partialName(0)}.txt`],
  ])("of %s are left alone", async (_, name) => {
    const folder = withPartial(Buffer.alloc(30), name);
    const path = await claimPartial(folder, "blob");
    expect(readdirSync(folder).sort()).toEqual([name, path.slice(folder.length + 1)].sort());
    expect(readFileSync(path).length).toBe(0);
    expect(readFileSync(join(folder, name)).length).toBe(30);
    releasePartial(path);
  });

  test("of this process are taken over when they are let go, not before", async () => {
    const folder = testFolder();
    const first = await claimPartial(folder, "blob");
    writeFileSync(first, "first");
    const second = await claimPartial(folder, "blob");
    expect(second).not.toBe(first);
    expect(existsSync(first)).toBe(true);
    releasePartial(first);
    const third = await claimPartial(folder, "blob");
    expect(readFileSync(third, "utf8")).toBe("first");
    expect(existsSync(first)).toBe(false);
    expect(existsSync(second)).toBe(true);
    for (const path of [second, third]) releasePartial(path);
  });

  test("may lie in a folder of other things", async () => {
    const folder = testFolder();
    mkdirSync(join(folder, partialName(7)));
    const path = await claimPartial(folder, "blob2");
    expect(readdirSync(folder).length).toBe(2);
    releasePartial(path);
  });
});
