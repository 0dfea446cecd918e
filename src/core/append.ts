/** `target.push(...items)` for any number of items: arguments are bounded by the stack, at about 100,000. */
export function append<T>(target: T[], items: Iterable<T>): void {
  for (const item of items) target.push(item);
}
