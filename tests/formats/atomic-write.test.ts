import { execFileSync } from "node:child_process";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { UserError } from "#repvgg/core/errors.js";
import { writeFileAtomically } from "#repvgg/formats/atomic-write.node.js";

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "repvgg-atomic-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** What all open files share. */
async function fileHandles(): Promise<FileHandle> {
  const handle = await open(folder(), "r");
  onTestFinished(() => void vi.restoreAllMocks());
  await handle.close();
  return Object.getPrototypeOf(handle);
}

const nothingElse = (path: string): string[] => readdirSync(join(path, ".."));

test("the whole content is on the disk before the name is, and then the name", async () => {
  const handles = await fileHandles();
  const path = join(folder(), "x.bin");
  writeFileSync(path, "old");
  const events: string[] = [];
  const sync = handles.sync;
  vi.spyOn(handles, "sync").mockImplementation(async function (this: FileHandle) {
    const isFolder = (await this.stat()).isDirectory();
    const size = isFolder ? "" : ` of ${(await this.stat()).size}`;
    events.push(
      `${isFolder ? "folder" : "file"}${size}: ${readFileSync(path, "utf8")}, ${nothingElse(path).length} files`,
    );
    return sync.call(this);
  });
  await writeFileAtomically(path, "new content");
  expect(events).toEqual(["file of 11: old, 2 files", "folder: new content, 1 files"]);
});

test("a write that takes only a part goes on with the rest; chunks keep their order", async () => {
  const handles = await fileHandles();
  const path = join(folder(), "x.bin");
  const write = handles.write as (...args: unknown[]) => Promise<{ bytesWritten: number }>;
  const lengths: number[] = [];
  vi.spyOn(handles, "write").mockImplementation(function (this: FileHandle, ...args: unknown[]) {
    const [bytes, at, length] = args as [Uint8Array, number, number];
    lengths.push(length);
    return write.call(this, bytes, at, Math.min(7, length));
  } as never);
  const chunks = [Uint8Array.from({ length: 20 }, (_, i) => i), new Uint8Array(0), Uint8Array.of(100, 101)];
  await writeFileAtomically(path, chunks);
  expect([...readFileSync(path)]).toEqual([...chunks[0]!, 100, 101]);
  expect(lengths).toEqual([20, 13, 6, 2]);
});

test("a chunk may be used again when the second one after it is asked for, and not before it is written", async () => {
  const path = join(folder(), "x.bin");
  const buffers = [new Uint8Array(5000), new Uint8Array(5000)];
  function* chunks(): Generator<Uint8Array> {
    for (let i = 0; i < 40; i++) yield buffers[i % 2]!.fill(i);
  }
  await writeFileAtomically(path, chunks());
  const bytes = readFileSync(path);
  expect(bytes.length).toBe(40 * 5000);
  for (let i = 0; i < 40; i++) expect(bytes.subarray(i * 5000, (i + 1) * 5000).every((byte) => byte === i)).toBe(true);
});

test.each<[string, () => Iterable<Uint8Array>]>([
  [
    "the content cannot be made",
    function* () {
      yield Uint8Array.of(1);
      throw new UserError({ expected: "a number", received: "none" });
    },
  ],
  [
    "the first chunk cannot be made",
    // biome-ignore lint/correctness/useYield: it is to fail before it yields
    function* (): Generator<Uint8Array> {
      throw new UserError({ expected: "a number", received: "none" });
    },
  ],
])("where %s, the old file stays and nothing is left behind", async (_, chunks) => {
  const path = join(folder(), "x.bin");
  writeFileSync(path, "old");
  await expect(writeFileAtomically(path, chunks())).rejects.toThrow("expected a number, received none");
  expect(readFileSync(path, "utf8")).toBe("old");
  expect(nothingElse(path)).toEqual(["x.bin"]);
});

test("where a write or the flush fails, the old file stays and nothing is left behind", async () => {
  for (const method of ["write", "sync"] as const) {
    const handles = await fileHandles();
    const path = join(folder(), "x.bin");
    writeFileSync(path, "old");
    const full = Object.assign(new Error("no space"), { code: "ENOSPC", syscall: method });
    vi.spyOn(handles, method).mockImplementation((() => Promise.reject(full)) as never);
    await expect(writeFileAtomically(path, [Uint8Array.of(1), Uint8Array.of(2)])).rejects.toThrow(
      /expected to write .*x\.bin, received a full disk: free some disk space/,
    );
    vi.restoreAllMocks();
    expect(readFileSync(path, "utf8")).toBe("old");
    expect(nothingElse(path)).toEqual(["x.bin"]);
  }
});

test("a link stays a link, to a file that is replaced beside where it lies", async () => {
  const [here, there] = [folder(), folder()];
  writeFileSync(join(there, "real.bin"), "old");
  symlinkSync(join(there, "real.bin"), join(here, "link.bin"));
  await writeFileAtomically(join(here, "link.bin"), "new");
  expect(lstatSync(join(here, "link.bin")).isSymbolicLink()).toBe(true);
  expect(readlinkSync(join(here, "link.bin"))).toBe(join(there, "real.bin"));
  expect(readFileSync(join(there, "real.bin"), "utf8")).toBe("new");
  expect([readdirSync(here), readdirSync(there)]).toEqual([["link.bin"], ["real.bin"]]);
});

test("a pipe is written to, not replaced", async () => {
  const path = join(folder(), "pipe");
  execFileSync("mkfifo", [path]);
  const reader = await open(path, "r+"); // so that nobody waits for a reader
  await writeFileAtomically(
    path,
    ["a", "bc"].map((text) => new TextEncoder().encode(text)),
  );
  const { buffer, bytesRead } = await reader.read(Buffer.alloc(10), 0, 10);
  await reader.close();
  expect(buffer.subarray(0, bytesRead).toString()).toBe("abc");
  expect(lstatSync(path).isFIFO()).toBe(true);
  expect(nothingElse(path)).toEqual(["pipe"]);
});

test("names that a killed process left are stepped over; the temporary one is hidden and beside the file", async () => {
  const path = join(folder(), "x.bin");
  const seen: string[] = [];
  function* chunks(): Generator<Uint8Array> {
    seen.push(...nothingElse(path).filter((name) => !seen.includes(name)));
    yield Uint8Array.of(1);
  }
  await writeFileAtomically(path, chunks());
  const [, counter] = new RegExp(`^\\.x\\.bin\\.${process.pid}\\.(\\d+)\\.tmp$`).exec(seen[0]!)!;
  const left = [1, 2].map((n) => join(path, "..", `.${basename(path)}.${process.pid}.${Number(counter) + n}.tmp`));
  for (const name of left) writeFileSync(name, "left");
  await writeFileAtomically(path, Uint8Array.of(7));
  expect([...readFileSync(path)]).toEqual([7]);
  for (const name of left) expect(readFileSync(name, "utf8")).toBe("left");
});

test("a folder that is missing, or stands where the file should, is told; nothing is made", async () => {
  const root = folder();
  await expect(writeFileAtomically(join(root, "none", "x.bin"), "x")).rejects.toThrow(UserError);
  await expect(writeFileAtomically(join(root, "none", "x.bin"), "x")).rejects.toThrow(
    /received no such file or folder/,
  );
  mkdirSync(join(root, "x.bin"));
  await expect(writeFileAtomically(join(root, "x.bin"), "x")).rejects.toThrow(
    /expected to write .*x\.bin, received a folder/,
  );
  expect(readdirSync(root)).toEqual(["x.bin"]);
  expect(existsSync(join(root, "none"))).toBe(false);
});

test("text is written as UTF-8", async () => {
  const path = join(folder(), "x.txt");
  await writeFileAtomically(path, "ü😀");
  expect(readFileSync(path, "utf8")).toBe("ü😀");
});

test("every file that was opened is closed, whatever fails; where folders cannot be opened, none is", async () => {
  const handles = await fileHandles();
  const methods = ["sync", "write"] as const;
  /** Files that this process has open, where the system lists them. */
  const descriptors = (): number => (existsSync("/proc/self/fd") ? readdirSync("/proc/self/fd").length : 0);
  const before = descriptors();
  const spies = Object.fromEntries(methods.map((method) => [method, vi.spyOn(handles, method)]));
  const calls = (): number[] => {
    const counts = methods.map((method) => spies[method]!.mock.calls.length);
    for (const spy of Object.values(spies)) spy.mockClear();
    expect(descriptors()).toBe(before);
    return counts;
  };
  const path = join(folder(), "x.bin");
  await writeFileAtomically(path, "x");
  expect(calls()).toEqual([2, 1]); // the file, and its folder
  const platform = Object.getOwnPropertyDescriptor(process, "platform")!;
  try {
    Object.defineProperty(process, "platform", { ...platform, value: "win32" });
    await writeFileAtomically(path, "x");
    expect(calls()).toEqual([1, 1]);
  } finally {
    Object.defineProperty(process, "platform", platform);
  }
  for (const method of ["write", "sync"] as const) {
    spies[method]!.mockImplementationOnce((() => Promise.reject(new Error("no"))) as never);
    await expect(writeFileAtomically(path, "x")).rejects.toThrow("no");
    calls();
  }
  const pipe = join(folder(), "pipe");
  execFileSync("mkfifo", [pipe]);
  const reader = await open(pipe, "r+");
  await writeFileAtomically(pipe, "x");
  await reader.close();
  expect(calls()).toEqual([0, 1]);
});
