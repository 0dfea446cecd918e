/** A net of the zoo as timm calls it. */
export function timmName(name: string): string {
  return `repvgg_${name.toLowerCase()}`;
}
