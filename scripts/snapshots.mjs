// Accepts what the build gives now as the snapshots in tests/snapshots, and says what has changed: npm run snapshots
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { difference } from "./snapshots/difference.mjs";
import { folder, snapshots } from "./snapshots/registry.mjs";

const root = fileURLToPath(new URL("../", import.meta.url));
let changed = 0;

function report(what, path, before, after) {
  changed++;
  console.log(`${what} ${path}`);
  if (what === "changed") console.log(difference(before, after));
}

for (const [path, make] of snapshots) {
  const file = join(root, path);
  const before = existsSync(file) ? readFileSync(file, "utf8") : undefined;
  const after = make();
  if (before === after) continue;
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, after);
  report(before === undefined ? "new" : "changed", path, before, after);
}
for (const name of readdirSync(join(root, folder), { recursive: true, withFileTypes: true })) {
  const path = `${folder}/${join(name.parentPath, name.name).slice(join(root, folder).length + 1)}`;
  if (!name.isFile() || snapshots.has(path)) continue;
  rmSync(join(root, path));
  report("gone", path);
}
console.log(changed === 0 ? `${snapshots.size} snapshots, none changed` : `${changed} of ${snapshots.size} snapshots`);
