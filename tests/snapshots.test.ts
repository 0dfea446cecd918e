import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { loadAddon } from "#repvgg/backend/native/addon.js";
import { createBackend } from "#repvgg/backend/select.node.js";
import { difference } from "../scripts/snapshots/difference.mjs";
import { targets } from "../scripts/snapshots/plans.mjs";
import { folder, snapshots } from "../scripts/snapshots/registry.mjs";

const root = fileURLToPath(new URL("../", import.meta.url));
const hint = "if this change is meant, accept it: npm run snapshots";

describe("what the build gives, against what is committed", () => {
  it.each([...snapshots])("%s", (path, make) => {
    const file = join(root, path);
    const committed = existsSync(file) ? readFileSync(file, "utf8") : undefined;
    const changes = difference(committed, make());
    if (changes !== "") expect.fail(`${path} differs (${hint})\n${changes}`);
  });

  it("has no snapshot of what is gone", () => {
    const files = readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
      .filter((name) => statSync(join(root, folder, name)).isFile())
      .map((name) => `${folder}/${name.split(sep).join("/")}`);
    expect(
      files.filter((path) => !snapshots.has(path)),
      hint,
    ).toEqual([]);
  });
});

describe("the kernels of the plans", () => {
  it("are the WebAssembly build's", async () => {
    const backend = await createBackend({ kernels: "wasm", threads: 1 });
    expect(backend).toMatchObject(targets["wasm"]!);
    backend.dispose();
  });

  it("are the native builds', where there are any", () => {
    const loaded = loadAddon();
    if ("absent" in loaded) return;
    const built = loaded.addon.variants().filter(({ name }) => name in targets);
    for (const { name, lanes, panelColumns, microRows } of built) {
      expect({ lanes, panelColumns, microRows, threads: 2 }, name).toEqual(targets[name]);
    }
  });
});

describe("the public surface", () => {
  it.each([
    ["repvgg", () => import("#repvgg/index.js")],
    ["repvgg-browser", () => import("#repvgg/browser.js")],
  ])("of %s has every value that can be imported", async (name, load) => {
    const [exported] = snapshots.get(`${folder}/public/${name}.txt`)!().split("# Types that");
    const values = [...exported!.matchAll(/^(?:class|function|const) (\w+)/gm)].map((match) => match[1]);
    const imported = Object.keys(await load());
    expect([...new Set(values)].sort()).toEqual(imported.sort());
  });
});

describe("a difference", () => {
  it("shows the changed lines and their neighbours only", () => {
    const before = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
    const after = ["a", "b", "c", "x", "e", "f", "g", "h", "i", "j", "k"];
    expect(difference(before.join("\n"), after.join("\n")).split("\n")).toEqual([
      ...["  b", "  c", "- d", "+ x", "  e", "  f", "  …", "  i", "  j", "+ k"],
    ]);
  });

  it("takes lines that stayed between two changes for what they are", () => {
    expect(difference("1\nsame\n2\n3", "4\nsame\n3\n5")).toBe("- 1\n+ 4\n  same\n- 2\n  3\n+ 5");
  });

  it("is empty for the same text, and the whole text for a file that was not there", () => {
    expect(difference("a\n", "a\n")).toBe("");
    expect(difference(undefined, "a\nb")).toBe("+ a\n+ b");
    expect(difference("a\nb", undefined)).toBe("- a\n- b");
    expect(difference("", "\n")).not.toBe("");
  });
});
