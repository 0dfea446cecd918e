import { mkdirSync } from "node:fs";
import { explainFileError } from "./file-errors.node.js";

/** Makes a folder, and those above it, where there is none. @throws UserError where it cannot be made */
export function makeFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true });
  } catch (error) {
    throw explainFileError("write", path, error);
  }
}
