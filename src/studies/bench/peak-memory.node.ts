import { readFileSync } from "node:fs";

/**
 * The most memory that this process has had, in bytes. Linux hands the figure of getrusage on from a parent to its children, so
 * that there it is the program's own high-water mark (VmHWM) that counts.
 */
export function peakMemory(): number {
  try {
    const [, kilobytes] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8")) ?? [];
    if (kilobytes !== undefined) return Number(kilobytes) * 1024;
  } catch {
    // Not Linux.
  }
  return process.resourceUsage().maxRSS * 1024;
}
