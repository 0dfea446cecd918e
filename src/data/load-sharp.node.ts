import { UserError } from "../core/errors.js";

/**
 * sharp, loaded when the first picture is decoded. Its settings (cache, threads) are the whole process's, so they stay as the host has them:
 * our loaders decode as fast without.
 * @throws UserError where it has no binary for this platform
 */
export async function loadSharp(): Promise<typeof import("sharp").default> {
  try {
    return (await import("sharp")).default;
  } catch (cause) {
    const [received = ""] = String((cause as Error).message).split("\n", 1);
    const expected = `sharp, which decodes pictures, to load on ${process.platform} ${process.arch}`;
    throw new UserError(
      { expected, received, remedy: "install it anew on this machine: npm install sharp" },
      { cause },
    );
  }
}
