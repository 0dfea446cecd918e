import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { Tuning, type TuningRecord, type TuningRecords } from "../backend/conv/tuning.js";
import { FormatError } from "../core/errors.js";
import { writeFileAtomically } from "../formats/atomic-write.node.js";
import { explainFileError } from "../formats/file-errors.node.js";

/** The measurements in a file; none where there is no such file yet. @throws UserError for a file that cannot be read or is another. */
export async function readTuning(path: string): Promise<Tuning> {
  if (!existsSync(path)) return new Tuning();
  const text = await readFile(path, "utf8").catch((error: unknown) => {
    throw explainFileError("read", path, error);
  });
  return new Tuning(recordsOf(text, path));
}

/** @throws UserError when it cannot be written. */
export async function writeTuning(path: string, tuning: Tuning): Promise<void> {
  await writeFileAtomically(path, `${JSON.stringify(tuning.records, null, 2)}\n`);
}

function recordsOf(text: string, path: string): TuningRecords {
  try {
    const records = JSON.parse(text) as unknown;
    if (isObject(records) && Object.values(records).every(isRecord)) return records as TuningRecords;
  } catch {
    // said below
  }
  throw new FormatError({
    expected: "measurements that a session with `tune` wrote",
    received: `${path}, which is something else`,
    remedy: "remove it, or name another file",
  });
}

function isRecord(value: unknown): value is TuningRecord {
  return isObject(value) && typeof value.algorithm === "string" && isObject(value.milliseconds);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
