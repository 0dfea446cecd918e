/** Names for a sentence: all of them up to three, else three and how many more. */
export function some(names: readonly string[]): string {
  if (names.length <= 3) return names.join(", ");
  return `${names.slice(0, 3).join(", ")} and ${names.length - 3} more`;
}
