import { UserError } from "../core/errors.js";
import type { KernelCall } from "./backend.js";
import { kernelEncodings } from "./kernels.generated.js";

/**
 * Calls as the pool reads them: of each call the kernel's id, then its arguments, a 32-bit word each.
 * @throws UserError for whole numbers beyond 32 bits, TypeError for what is no number of the argument's type: a bug
 */
export function encodeCalls(calls: readonly KernelCall[]): Int32Array {
  const words = new Int32Array(calls.reduce((sum, call) => sum + 1 + kernelEncodings[call.kernel].args.length, 0));
  const floats = new Float32Array(words.buffer);
  let at = 0;
  for (const call of calls) {
    const { id, args } = kernelEncodings[call.kernel];
    words[at++] = id;
    for (const [name, type] of args) {
      const value = (call.args as unknown as Readonly<Record<string, number>>)[name];
      if (type === "f32" && typeof value === "number") floats[at++] = value;
      else if (Number.isInteger(value) && (type === "i32" ? value === (value! | 0) : value! >= 0 && value! < 2 ** 32))
        words[at++] = value!;
      else if (type === "i32" && Number.isInteger(value)) throw tooLarge(call.kernel, name, value!);
      else throw new TypeError(`${call.kernel}: argument ${name} must be ${type}, not ${value}`);
    }
  }
  return words;
}

/** Of sizes and steps that a file or a caller asks for: kernels count in 32 bits. */
function tooLarge(kernel: string, name: string, value: number): UserError {
  return new UserError({
    expected: "sizes and steps below 2^31",
    received: `${value} (${kernel}: argument ${name} must be i32)`,
    remedy: "use a smaller batch, smaller images or a smaller net",
  });
}
