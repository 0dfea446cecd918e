import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { noTerminal, onTerminal } from "./on-terminal.js";
import { fashionPictures, fileFolder, freshModelFile, main } from "./support.js";

// What newcomers met that belongs to no single command.
const folder = fileFolder();
beforeAll(async () => {
  await fashionPictures(folder, { train: 20, test: 10 });
  await freshModelFile(folder);
  await freshModelFile(folder, "plain");
});

/** Without a terminal's colours and movements. */
const plainText = (output: string): string =>
  output.replaceAll(new RegExp(`${String.fromCharCode(27)}\\[[\\d;?]*[A-Za-z]`, "g"), "");

describe.skipIf(noTerminal !== undefined)("on a terminal of 60 columns", () => {
  it.each(
    [
      ["info"],
      ["info", "A0"],
      ["info", "train.safetensors"],
      ["data", "pictures"],
      ["profile", "nano", "--threads", "1", "--repeats", "2"],
      ["profile", "--zoo"],
      ["fold", "train.safetensors", "--explain"],
      ["verify", "train.safetensors", "plain.safetensors"],
      ["bench", "nano", "--no-peers", "--rounds", "1", "--seconds", "0.01", "--threads", "1"],
    ].map((args) => ({ line: args.join(" "), args })),
  )("no line of a table is longer: $line", async ({ args }) => {
    const { output, hung } = await onTerminal(args, folder, { presses: 0, columns: 60, patience: 60 });
    expect(hung).toBe(false);
    const lines = plainText(output).split(/\r?\n|\r/);
    expect(lines.length).toBeGreaterThan(2);
    const framed = lines.filter((line) => /[│┌├└]/.test(line)); // sentences are wrapped by the terminal, at any place of theirs
    expect(framed.filter((line) => [...line].length > 60)).toEqual([]);
  });
});

it.each(["18.20.8", "20.18.3", "16.0.0"])("Node %s is told which one is needed, in one line", (version) => {
  const preload = join(folder, `node-${version}.mjs`);
  const versions = `{ ...process.versions, node: ${JSON.stringify(version)} }`;
  writeFileSync(preload, `Object.defineProperty(process, "versions", { value: ${versions} });\n`);
  const run = (...args: string[]) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, ["--import", preload, main, ...args], {
      encoding: "utf8",
    });
    return { status, stdout, stderr };
  };
  const message = `expected Node 20.19 or later, received Node ${version}: install a newer one from https://nodejs.org`;
  expect(run("info", "A0")).toEqual({ status: 1, stdout: "", stderr: `repvgg: ${message}\n` });
  expect(JSON.parse(run("info", "A0", "--json").stderr).error.message).toBe(message);
});
