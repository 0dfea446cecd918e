import { UserError } from "../core/errors.js";

/**
 * `@huggingface/hub`, loaded when something is pulled from a hub: it is large, most commands need none, and whoever needs none does not
 * install it (an optional peer of this package).
 * @throws UserError where it is not installed
 */
export async function hubLibrary(): Promise<typeof import("@huggingface/hub")> {
  try {
    return await import("@huggingface/hub");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "ERR_MODULE_NOT_FOUND") throw cause;
    throw new UserError(
      {
        expected: "the package @huggingface/hub, which pulling from a hub needs",
        received: "none",
        remedy: "npm install @huggingface/hub",
      },
      { cause },
    );
  }
}
