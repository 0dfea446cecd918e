import { FormatError } from "../core/errors.js";

/** Runs a parser; its FormatErrors say where what they received was: "in model.pth", "for weight x". */
export function withContext<T>(where: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    const { expected, received, remedy } = error;
    const parts = { expected, received: `${received} ${where}`, ...(remedy === undefined ? {} : { remedy }) };
    throw new FormatError(parts, { cause: error });
  }
}
