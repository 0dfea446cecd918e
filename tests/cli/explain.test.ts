import { cpSync, existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { expect, it } from "vitest";
import { freshModelFile, oneLine, repvgg, repvggJson, testFolder } from "./support.js";

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
  const [unknown, without] = await Promise.all([
    repvgg(["predict", model, boot, "--class", "cow", "--explain", folder]),
    repvgg(["predict", model, boot, "--class", "cat"]),
  ]);
  expect(unknown).toEqual(
    oneLine('expected a class of the model, by name or from 0 to 1, received "cow": repvgg info MODEL lists them'),
  );
  expect(without).toEqual(
    oneLine("expected --explain with --class and --stage, received no --explain: add --explain, or leave them out"),
  );
});

it("predict --explain in front of pictures swallows none of them, in whatever order", async () => {
  const folder = testFolder();
  const model = await freshModelFile(folder);
  for (const name of ["a.png", "b.png"]) cpSync(boot, join(folder, name));
  const at = { cwd: folder };
  const files = (stdout: string): unknown =>
    JSON.parse(stdout).pictures.map(({ file, explained }: { file: string; explained: { file: string } }) => [
      file,
      explained.file,
    ]);
  const one = await repvgg(["predict", model, "--explain", "b.png", "--json"], at);
  expect(files(one.stdout)).toEqual([["b.png", "b.explained.png"]]);
  const two = await repvgg(["predict", model, "--explain", "b.png", "a.png", "--json"], at);
  expect(files(two.stdout)).toEqual([
    ["b.png", "b.explained.png"],
    ["a.png", "a.explained.png"],
  ]);
  const last = await repvgg(["predict", model, "a.png", "--explain", "b.png", "--json"], at);
  expect(files(last.stdout)).toEqual([
    ["a.png", "a.explained.png"],
    ["b.png", "b.explained.png"],
  ]);
  // The only folder is one of pictures; what was drawn into it before is none.
  const all = await repvgg(["predict", model, "--explain", ".", "--json"], at);
  expect(files(all.stdout)).toEqual([
    ["a.png", "a.explained.png"],
    ["b.png", "b.explained.png"],
  ]);
  expect(JSON.parse(all.stdout).ignored).toContainEqual(
    expect.objectContaining({ kind: "picture of an earlier --explain", count: 2 }),
  );
  expect(await repvgg(["predict", model, "--explain", "new"], at)).toEqual(
    oneLine("expected <pictures>, received nothing: put --explain after the pictures"),
  );
});
