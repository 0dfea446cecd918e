import { spawn, spawnSync } from "node:child_process";
import { expect, it } from "vitest";
import { main } from "./support.js";

/** Runs the command with a standard output that is closed before anything is written to it. */
function intoClosedPipe(args: readonly string[]): Promise<{ code: number | null; stderr: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [main, ...args], { stdio: ["ignore", "pipe", "pipe"] });
    child.stdout.destroy();
    let stderr = "";
    child.stderr.on("data", (data: Buffer) => {
      stderr += data.toString();
    });
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, stderr }));
  });
}

it("a closed pipe is no error and no bug: who reads has seen enough", async () => {
  expect(await intoClosedPipe(["info", "A0"])).toEqual({ code: 0, stderr: "" });
});

it("but what is wrong with the input is still told", async () => {
  const { code, stderr } = await intoClosedPipe(["info", "A99"]);
  expect(code).toBe(1);
  expect(stderr).toMatch(/^repvgg: expected .*\n$/);
});

/** Runs the command after a piece of JavaScript that makes something go wrong. */
function after(script: string, args: readonly string[]): { code: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ["--import", `data:text/javascript,${encodeURIComponent(script)}`, main, ...args],
    { encoding: "utf8" },
  );
  return { code: status, stdout, stderr };
}

const bug = /^repvgg: this is a bug, please report it with the lines below\n\w*Error: whatever\n +at .*/;

it.each([
  ["thrown by a command", "JSON.stringify = () => { throw new TypeError('whatever') };"],
  [
    "thrown by nobody's caller",
    "process.once('newListener', () => setTimeout(() => { throw new RangeError('whatever') }, 0));",
  ],
  [
    "of standard output, other than its reader's end",
    "process.stdout.write = () => process.stdout.emit('error', Object.assign(new Error('whatever'), { code: 'EIO' }));",
  ],
])("a bug %s is told with its stack, exit code 70", (_, script) => {
  const { code, stderr } = after(script, ["info", "A0", "--json"]);
  expect(code).toBe(70);
  // Under --json as an object, where that can still be written.
  const told = stderr.startsWith("{") ? JSON.parse(stderr).error : { kind: "bug", message: stderr };
  expect(told.kind).toBe("bug");
  expect(told.message).toMatch(stderr.startsWith("{") ? /^\w*Error: whatever\n +at / : bug);
});

it("what is wrong with the input is one line, exit code 1, wherever it is thrown", () => {
  const { code, stdout, stderr } = after("", ["info", "A0", "--nothing"]);
  expect([code, stdout]).toEqual([1, ""]);
  expect(stderr).toMatch(/^repvgg: expected [^\n]*\n$/);
  const errors = JSON.stringify(new URL("../../dist/core/errors.js", import.meta.url).href);
  const verification = `import { VerificationError } from ${errors};
    JSON.stringify = () => { throw new VerificationError({ expected: "a", received: "b" }) };`;
  expect(after(verification, ["info", "A0", "--json"])).toEqual({
    code: 2,
    stdout: "",
    stderr: "repvgg: expected a, received b\n",
  });
});
