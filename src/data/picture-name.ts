import type { Dataset } from "./dataset.js";

/** The picture's file below its data set, or its index. */
export function pictureName({ source }: Dataset, index: number): string {
  return source?.kind === "folder" ? source.files[index]! : `#${index}`;
}
