import { randomBytes } from "node:crypto";
import { open, readdir, rename, rm, stat } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { isRunning } from "../core/is-running.node.js";

/**
 * Unfinished downloads: `<blob>.<host>.<process>.<instance>.<n>.incomplete`. Each download writes to a file of its own, so that
 * any number may run at once; one whose owner has gone is taken over by renaming it, which only one can do.
 */
const host = hostname().replace(/[^\w-]/g, "_");
/** Of this thread: threads of a process share its id, not their memory. */
const instance = randomBytes(4).toString("hex");
const inUse = new Set<string>();
let counter = 0;

/** Takes over the largest abandoned download of a blob (the others are removed), or begins one. */
export async function claimPartial(folder: string, blob: string): Promise<string> {
  const name = `${blob}.${host}.${process.pid}.${instance}.${counter++}.incomplete`;
  const path = join(folder, name);
  inUse.add(name);
  let claimed = false;
  for (const abandoned of await abandonedPartials(folder, blob)) {
    if (claimed) await rm(abandoned, { force: true });
    else claimed = await rename(abandoned, path).then(always, never);
  }
  if (!claimed) await (await open(path, "wx")).close();
  return path;
}

/** Lets the next download go on from a file, or forget it when it is finished. */
export function releasePartial(path: string): void {
  inUse.delete(path.slice(Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")) + 1));
}

/** The largest first. */
async function abandonedPartials(folder: string, blob: string): Promise<string[]> {
  const found: { path: string; size: number }[] = [];
  for (const name of await readdir(folder)) {
    if (!name.startsWith(`${blob}.`) || !isAbandoned(name)) continue;
    const path = join(folder, name);
    const size = (await stat(path).catch(() => undefined))?.size;
    if (size !== undefined) found.push({ path, size });
  }
  return found.sort((a, b) => b.size - a.size).map(({ path }) => path);
}

function isAbandoned(name: string): boolean {
  const [, owner, pid, itsInstance] = /\.([\w-]+)\.(\d+)\.([0-9a-f]{8})\.\d+\.incomplete$/.exec(name) ?? [];
  if (owner !== host) return false;
  return itsInstance === instance ? !inUse.has(name) : !isRunning(Number(pid));
}

const always = (): boolean => true;
const never = (): boolean => false;
