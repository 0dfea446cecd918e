// Builds playground/dist, the page that `repvgg playground` serves, unless nothing that goes into it has changed.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const playground = join(root, "playground");
const stamp = join(playground, "dist", "build.sha256");

// In a tree whose packages were installed without the workspace, the page is not built; everything else works.
const packages = ["vite", "svelte", "@sveltejs/vite-plugin-svelte"].map(folderOf);
if (packages.includes(undefined)) {
  console.log("playground: not built, its packages are not installed");
} else {
  const hash = inputs();
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === hash) {
    console.log("playground: unchanged");
  } else {
    const start = performance.now();
    const vite = join(packages[0], "bin", "vite.js");
    execFileSync(process.execPath, [vite, "build", "--logLevel", "warn"], { cwd: playground, stdio: "inherit" });
    writeFileSync(stamp, hash);
    console.log(`playground: built in ${((performance.now() - start) / 1000).toFixed(1)} s`);
  }
}

function folderOf(name) {
  return [playground, root].map((place) => join(place, "node_modules", name)).find(existsSync);
}

/** Hash of the page's source, the library's build, the assets, and the versions of all packages. */
function inputs() {
  const hash = createHash("sha256");
  const folders = ["playground/src", "playground/public", "dist", "assets"];
  const files = [
    ...["index.html", "vite.config.ts", "svelte.config.js", "package.json"].map((name) => join("playground", name)),
    "package-lock.json",
    "scripts/without-in-pages.mjs",
    ...folders.flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile() && !/\.(map|d\.ts|tsbuildinfo)$/.test(entry.name))
        .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1)),
    ),
  ];
  for (const file of files.sort()) hash.update(`${file}\n`).update(readFileSync(join(root, file)));
  return hash.digest("hex");
}
