// The tarballs of a release, in release/: the package for each platform, and the main package, which names them as optional
// dependencies. In the repository it does not, so that `npm ci` works before they are published.
//   npm run pack:release   (after npm run build:native-packages; CONTRIBUTING.md says how to publish)
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { binaryFacts } from "./binary-facts.mjs";
import { root, sha256File } from "./kernel-sources.mjs";
import {
  addonFile,
  mainManifest,
  nativeManifest,
  nativePackages,
  packagesFolder,
  releaseManifest,
} from "./native-packages.mjs";

const release = join(root, "release");
const main = mainManifest();
const faults = nativePackages.flatMap((platform) => faultOf(platform) ?? []);
if (faults.length > 0) {
  for (const fault of faults) console.error(`release: ${fault}`);
  console.error("release: nothing was packed: npm run build:native-packages");
  process.exit(1);
}
rmSync(release, { recursive: true, force: true });
mkdirSync(release);
const tarballs = [...nativePackages.map(({ id }) => pack(join(packagesFolder, id), release)), packMain()];
for (const tarball of tarballs)
  console.log(`${relative(root, tarball)} ${(statSync(tarball).size / 1024).toFixed(0)} KiB`);
console.log("to publish, the platforms first: see CONTRIBUTING.md");

/** Why a platform's package cannot be released: it is of the sources and the version that the main package has, or it is nothing. */
function faultOf(platform) {
  const folder = join(packagesFolder, platform.id);
  const addon = join(folder, addonFile);
  if (!existsSync(addon)) return `${platform.id} is not built`;
  const written = readFileSync(join(folder, "package.json"), "utf8");
  if (written !== `${JSON.stringify(nativeManifest(platform, main, sha256File(addon)), null, 2)}\n`)
    return `${platform.id} has another package.json than this version's`;
  const bytes = readFileSync(addon);
  const { os, cpu } = binaryFacts(bytes);
  if (os !== platform.os || cpu !== platform.cpu) return `${platform.id} is for ${os} ${cpu}`;
  const header = readFileSync(join(root, "kernels", "native", "fingerprint.generated.h"), "utf8");
  const fingerprint = /KERNELS_FINGERPRINT "(\w+)"/.exec(header)[1];
  return bytes.includes(fingerprint) ? undefined : `${platform.id} was made of other kernels`;
}

/** As npm packs it, but for the `package.json`. A registry reads that of the tarball, so it is changed before there is one. */
function packMain() {
  const folder = mkdtempSync(join(tmpdir(), "repvgg-release-"));
  try {
    const tarball = pack(root, folder);
    execFileSync("tar", ["-xzf", tarball], { cwd: folder });
    const staged = join(folder, "package");
    writeFileSync(join(staged, "package.json"), `${JSON.stringify(releaseManifest(main), null, 2)}\n`);
    return pack(staged, release);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Scripts of the package do not run. @returns the path of the tarball */
function pack(folder, destination) {
  const args = ["pack", folder, "--json", "--ignore-scripts", "--pack-destination", destination];
  const described = JSON.parse(
    execFileSync("npm", args, { encoding: "utf8", maxBuffer: 64e6, stdio: ["ignore", "pipe", "ignore"] }),
  );
  const { filename } = Object.values(described)[0];
  return join(destination, filename.replace("@", "").replace("/", "-"));
}
