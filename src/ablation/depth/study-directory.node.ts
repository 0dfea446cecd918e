import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../../core/errors.js";
import { writeFileAtomically } from "../../formats/atomic-write.node.js";
import { explainFileError } from "../../formats/file-errors.node.js";
import { makeFolder } from "../../formats/make-folder.node.js";
import { partName, type StudyPart, type StudyPlan } from "./plan.js";
import { decodeRuns, encodeRun, type StudyRun } from "./results.js";

/**
 * The folder of a depth study:
 *   study.json       what is trained on what, how, with which seeds
 *   results.jsonl    a line for each part that is done: with study.json all that a study has to remember
 *   parts/…          checkpoints of parts that are not done
 *   report.html, report.md, *.svg
 */
export class StudyDirectory {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** @throws UserError when the folder holds a study already. */
  static checkNew(path: string): void {
    if (!existsSync(join(path, planFile))) return;
    throw new UserError({
      expected: "a new folder for the study",
      received: `${path}, which holds one`,
      remedy: "go on with it by --resume, or name another folder by --out",
    });
  }

  /** @throws UserError when the folder holds a study already, or cannot be written. */
  static async create(path: string, plan: StudyPlan): Promise<StudyDirectory> {
    StudyDirectory.checkNew(path);
    makeFolder(path);
    const directory = new StudyDirectory(path);
    await directory.writePlan(plan);
    return directory;
  }

  /** @throws UserError when the folder holds none. */
  static open(path: string): StudyDirectory {
    if (existsSync(join(path, planFile))) return new StudyDirectory(path);
    throw new UserError({
      expected: "the folder of a depth study (with study.json)",
      received: path,
      remedy: "start one with: repvgg ablate depth DATA --out FOLDER",
    });
  }

  readPlan(): StudyPlan {
    const path = join(this.path, planFile);
    try {
      const plan = JSON.parse(readFileSync(path, "utf8")) as Partial<StudyPlan>;
      if (plan.data && plan.nets && plan.config && plan.seeds && plan.choices) return plan as StudyPlan;
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw explainFileError("read", path, error);
    }
    throw new UserError({
      expected: "the plan of a depth study",
      received: path,
      remedy: "take study.json from where the results came from",
    });
  }

  async writePlan(plan: StudyPlan): Promise<void> {
    await writeFileAtomically(join(this.path, planFile), `${JSON.stringify(plan, null, 2)}\n`);
  }

  /** What is done. @throws FormatError for a line that is no run */
  readRuns(): StudyRun[] {
    const path = join(this.path, resultsFile);
    return existsSync(path) ? decodeRuns(readFileSync(path, "utf8"), path) : [];
  }

  /** Drops a line that a killed process did not finish, and lines of parts that have a later one. */
  async mendRuns(): Promise<void> {
    const runs = this.readRuns();
    if (runs.length > 0) await writeFileAtomically(join(this.path, resultsFile), runs.map(encodeRun).join(""));
  }

  appendRun(run: StudyRun): void {
    const path = join(this.path, resultsFile);
    try {
      appendFileSync(path, encodeRun(run), { flush: true });
    } catch (error) {
      throw explainFileError("write", path, error);
    }
  }

  partPath(part: StudyPart): string {
    return join(this.path, "parts", partName(part));
  }

  async writeText(name: string, text: string): Promise<string> {
    const path = join(this.path, name);
    await writeFileAtomically(path, text);
    return path;
  }
}

const planFile = "study.json";
const resultsFile = "results.jsonl";
