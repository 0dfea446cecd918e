// Reads kernels/kernels.def: the kernels with their arguments, between which builds their bits are equal, and what their benches run.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { sourceFolder } from "./kernel-sources.mjs";

/** How far a kernel's results are the same bits, as kernels.def says it; strongest first. */
export const equalities = ["all", "fused", "unfused"];

const types = new Set(["ptr", "i32", "f32"]);

export function readKernels() {
  return parseKernels(readFileSync(join(sourceFolder, "kernels.def"), "utf8"));
}

/**
 * A line is `name argument:type …`; comments directly above a line belong to the kernels that follow it, up to a blank line. Indented lines
 * say more of the kernel above them.
 */
export function parseKernels(text) {
  const kernels = [];
  let comment = [];
  for (const [index, line] of text.split("\n").entries()) {
    const fail = (why) => {
      throw new Error(`kernels/kernels.def:${index + 1}: ${why}`);
    };
    if (line.trim() === "" || line.startsWith("# ---")) comment = [];
    else if (line.startsWith("#")) {
      if (comment.used) comment = [];
      comment.push(line.slice(1).trim());
    } else if (/^\s/.test(line)) addFact(kernels.at(-1), line.trim().split(/\s+/), fail);
    else {
      const [name, ...fields] = line.trim().split(/\s+/);
      if (!/^[a-z][a-z0-9_]*$/.test(name)) fail(`"${name}" is not a kernel name`);
      if (kernels.some((kernel) => kernel.name === name)) fail(`${name} is listed twice`);
      const args = fields.map((field) => {
        const [argument, type, rest] = field.split(":");
        if (!/^[a-z][a-z0-9_]*$/.test(argument) || !types.has(type) || rest !== undefined) {
          fail(`"${field}" is not argument:type with a type of ${[...types].join(", ")}`);
        }
        return { name: argument, type };
      });
      if (new Set(args.map((a) => a.name)).size !== args.length) fail(`${name} has two arguments of one name`);
      comment.used = true;
      kernels.push({ name, args, comment: comment.join("\n") });
    }
  }
  const silent = kernels.find(({ bits, shape, nets }) => !bits || !(shape || nets));
  if (silent) throw new Error(`kernels/kernels.def: ${silent.name} lacks a line "bits" or "bench"`);
  return kernels;
}

/** `bits all`; `bench n=1000 accumulate=1`, or of a convolution's kernel `bench a0-224x1 a0-32x64`. */
function addFact(kernel, [what, ...words], fail) {
  if (!kernel) fail("says something of no kernel");
  if (what === "bits" && words.length === 1 && equalities.includes(words[0]) && !kernel.bits) kernel.bits = words[0];
  else if (what === "bench" && words.length > 0 && !kernel.shape && !kernel.nets) {
    if (kernel.name.startsWith("conv_")) kernel.nets = words;
    else kernel.shape = shapeOf(kernel, words, fail);
  } else fail(`"${[what, ...words].join(" ")}" is none of: bits ${equalities.join(" | ")}; bench …, each once`);
}

/** Values of all arguments that are no pointers: 0, or 0.3 of a float, unless they are named. */
function shapeOf({ name, args }, words, fail) {
  const numbers = args.filter(({ type }) => type !== "ptr");
  const shape = Object.fromEntries(numbers.map(({ name, type }) => [name, type === "f32" ? 0.3 : 0]));
  for (const word of words) {
    const [argument, value, rest] = word.split("=");
    if (!Object.hasOwn(shape, argument) || !Number.isFinite(Number(value || "?")) || rest !== undefined) {
      fail(`"${word}" is no number of ${name}'s`);
    }
    shape[argument] = Number(value);
  }
  return shape;
}
