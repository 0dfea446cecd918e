import { cpSync, existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { expect, it } from "vitest";
import { fileOf, freshModelFile, oneLine, repvgg, repvggJson, testFolder } from "./support.js";

const boot = fileURLToPath(new URL("../../assets/fashion-mnist/ankle-boot.png", import.meta.url));

interface Answer {
  readonly pictures: readonly {
    readonly explained: { file: string; className: string; stage: number; cells: { height: number; values: number[] } };
  }[];
}

it("predict --explain draws beside each picture, or in a folder", async () => {
  const folder = testFolder();
  const model = await freshModelFile(folder);
  const picture = join(folder, "boot.png");
  cpSync(boot, picture);
  const beside = await repvgg(["predict", model, picture, "--explain"]);
  const drawn = join(folder, "boot.explained.png");
  expect(beside).toMatchObject({ code: 0, stderr: "" });
  expect(beside.stdout).toContain(`: ${drawn}\n`);
  expect(await sharp(drawn).metadata()).toMatchObject({ format: "png" });

  const out = join(folder, "out");
  const args = ["predict", model, picture, boot, picture, "--class", "dog", "--stage", "1", "--explain", out];
  const { pictures } = await repvggJson<Answer>(args);
  expect(pictures.map(({ explained }) => explained)).toMatchObject([
    { file: join(out, "boot.explained.png"), className: "dog", stage: 1, cells: { height: 14 } },
    { file: join(out, "ankle-boot.explained.png") },
    { file: join(out, "boot-2.explained.png") },
  ]);
  for (const { explained } of pictures) expect(existsSync(explained.file)).toBe(true);
});

it("predict --explain says in one line what it cannot do", async () => {
  const folder = testFolder();
  const model = await freshModelFile(folder);
  const file = fileOf(folder, "x.png", "");
  const [unknown, without, swallowed] = await Promise.all([
    repvgg(["predict", model, boot, "--class", "cow", "--explain", folder]),
    repvgg(["predict", model, boot, "--class", "cat"]),
    repvgg(["predict", model, boot, "--explain", file]),
  ]);
  expect(unknown).toEqual(
    oneLine('expected a class of the model, by name or from 0 to 1, received "cow": repvgg info MODEL lists them'),
  );
  expect(without).toEqual(oneLine("expected --explain with --class and --stage, received no --explain"));
  expect(swallowed).toEqual(
    oneLine(
      `expected --explain to name a folder, or nothing, received ${file}, a file: put --explain after the pictures`,
    ),
  );
});
