import { wanted } from "../flags/options.js";

export interface ChosenVariant {
  readonly name: string;
  readonly seeds?: number;
}

/** Parser of "table6:5,acb:3,dirac". */
export function variantList(text: string): ChosenVariant[] {
  return text.split(",").map((part) => {
    const [, name, seeds] = /^\s*([\w-]+?)(?::(\d+))?\s*$/.exec(part) ?? [];
    if (name === undefined || seeds === "0") throw wanted("names with commas between, each with :SEEDS or without");
    return seeds === undefined ? { name } : { name, seeds: Number(seeds) };
  });
}
