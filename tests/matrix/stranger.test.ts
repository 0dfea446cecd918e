import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, it } from "vitest";
import { strangersPath } from "../examples/strangers-path.js";
import { dependOnTarball, runLine } from "../examples/support.js";
import { npmPack } from "../pack.js";

const folder = mkdtempSync(join(tmpdir(), "repvgg-tarball-"));
const tarball = join(folder, npmPack(folder).filename);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it("a stranger's path, everything installed from a registry", () =>
  strangersPath(async (project, line) => {
    dependOnTarball(project, tarball);
    await runLine(line, project);
  }));
