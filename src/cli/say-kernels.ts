import type { Command } from "commander";
import type { OutputOptions } from "../terminal/terminal.js";

/**
 * One line on standard error where a command is going to compute with WebAssembly and nobody chose it: natively it would be faster.
 * @param command one that is about to run, its options parsed
 */
export async function sayKernels(command: Command): Promise<void> {
  const computes = command.options.some((option) => option.long === "--kernels" && option.argChoices !== undefined);
  const { json, quiet, kernels: chosen } = command.opts<OutputOptions & { kernels?: string }>();
  if (!computes || json || quiet || chosen !== undefined || process.env["REPVGG_BACKEND"]) return;
  const { kernels } = await import("../backend/select.node.js");
  for (const note of kernels().notes) process.stderr.write(`${note}\n`);
}
