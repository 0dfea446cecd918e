import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { AblationRun } from "../analysis/ablation/summary.js";
import { UserError } from "../core/errors.js";
import { writeFileAtomically } from "../formats/atomic-write.node.js";
import { makeFolder } from "../formats/make-folder.node.js";
import type { AblationSetup, PlannedRun } from "./setup.node.js";

/**
 * The folder of an ablation:
 *   ablation.json            what is trained on what, how, with which seeds
 *   VARIANT/seed-N/          a training run (RunDirectory), and result.json when it is done
 *   results.json             all results and what they say
 *   report.html              the same, to look at
 */
export class AblationDirectory {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** @throws UserError when the folder holds an ablation already, or cannot be written. */
  static async create(path: string, setup: AblationSetup): Promise<AblationDirectory> {
    AblationDirectory.checkNew(path);
    makeFolder(path);
    const directory = new AblationDirectory(path);
    await directory.writeSetup(setup);
    return directory;
  }

  /** @throws UserError when the folder holds an ablation already. */
  static checkNew(path: string): void {
    if (!existsSync(join(path, "ablation.json"))) return;
    throw new UserError({
      expected: "a new folder for the ablation",
      received: `${path}, which holds one`,
      remedy: "go on with it by --resume, or name another folder by --out",
    });
  }

  /** @throws UserError when the folder holds none. */
  static open(path: string): AblationDirectory {
    if (existsSync(join(path, "ablation.json"))) return new AblationDirectory(path);
    throw new UserError({
      expected: "the folder of an ablation (with ablation.json)",
      received: path,
      remedy: "start one with: repvgg ablate DATA --out FOLDER",
    });
  }

  readSetup(): AblationSetup {
    const setup = readJson<Partial<AblationSetup>>(join(this.path, "ablation.json"));
    if (setup.data && setup.net && setup.config && setup.seeds) return setup as AblationSetup;
    throw new UserError({ expected: "the setup of an ablation", received: join(this.path, "ablation.json") });
  }

  async writeSetup(setup: AblationSetup): Promise<void> {
    await writeFileAtomically(join(this.path, "ablation.json"), `${JSON.stringify(setup, null, 2)}\n`);
  }

  runPath({ variant, seed }: PlannedRun): string {
    return join(this.path, variant.name, `seed-${seed}`);
  }

  /** What a run gave; undefined where it is not done. */
  readResult(run: PlannedRun): AblationRun | undefined {
    const path = join(this.runPath(run), resultFile);
    return existsSync(path) ? readJson<AblationRun>(path) : undefined;
  }

  async writeText(name: "results.json" | "report.html", text: string): Promise<string> {
    const path = join(this.path, name);
    await writeFileAtomically(path, text);
    return path;
  }
}

const resultFile = "result.json";

/** Written last of all that a run leaves: a run that has it is done. */
export async function writeResult(runPath: string, run: AblationRun): Promise<void> {
  mkdirSync(runPath, { recursive: true }); // a run that diverged before its first checkpoint leaves no folder
  await writeFileAtomically(join(runPath, resultFile), `${JSON.stringify(run, null, 2)}\n`);
}

function readJson<T>(path: string): T {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as T;
  } catch (cause) {
    throw new UserError(
      { expected: "JSON", received: path, remedy: "remove the file to have it made again" },
      { cause },
    );
  }
}
