import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished, vi } from "vitest";
import { run } from "#repvgg/cli/playground.js";
import { runCommand } from "#repvgg/cli/program.js";
import { main } from "./support.js";

it.each(["SIGINT", "SIGTERM"] as const)("serves the built page until %s", async (signal) => {
  const child = spawn(process.execPath, [main, "playground", "--port", "0", "--json"], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const url = await new Promise<string>((resolve, reject) => {
    let text = "";
    child.stdout.on("data", (data) => {
      text += data;
      if (text.endsWith("}\n")) resolve(JSON.parse(text).url);
    });
    child.stderr.on("data", (data) => reject(new Error(String(data))));
  });
  const page = await fetch(url);
  expect(await page.text()).toContain("<html");
  expect(page.headers.get("cross-origin-opener-policy")).toBe("same-origin");
  expect(page.headers.get("cross-origin-embedder-policy")).toBe("require-corp");
  const net = await fetch(new URL("shared/models/cifar10/train.safetensors", url));
  expect((await net.arrayBuffer()).byteLength).toBe(2_410_512);
  const ended = new Promise((resolve) => child.on("exit", resolve));
  child.kill(signal);
  expect(await ended).toBe(0);
});

it("says that the page is not built, and that a port is taken", async () => {
  const folder = mkdtempSync(join(tmpdir(), "repvgg-page-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const options = { port: 0, host: "127.0.0.1", quiet: true };
  await expect(run(options, folder)).rejects.toThrow(`expected the built playground in ${folder}, received none`);
  writeFileSync(join(folder, "index.html"), "");
  const written = vi.spyOn(process.stdout, "write").mockReturnValue(true);
  onTestFinished(() => written.mockRestore());
  const serving = run(options, folder);
  await vi.waitFor(() => expect(written).toHaveBeenCalled());
  const { port } = new URL(/http:\S+/.exec(String(written.mock.calls[0]![0]))![0]);
  await expect(run({ ...options, port: Number(port) }, folder)).rejects.toThrow(/choose another port/);
  process.emit("SIGINT");
  await serving;
});

it("knows its options", async () => {
  await expect(runCommand(["playground", "--port", "70000"])).rejects.toThrow(
    'expected --port to be a whole number from 0 to 65535, received "70000"',
  );
});
