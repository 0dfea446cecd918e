import { spawn } from "node:child_process";
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
