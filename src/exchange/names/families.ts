/** Names that only nets of these kinds have, whose weights are not read by name. */
const families: readonly (readonly [name: RegExp, family: string])[] = [
  [/(^|\.)ERBlock_\d\./, "YOLOv6"],
  [/\.(branch_3x3\.bn|post_bn)\./, "QARepVGG blocks of super-gradients, as in YOLO-NAS"],
  [/\.dbb_(origin|avg|1x1|1x1_kxk)\./, "Diverse Branch Blocks"],
  [/\.(scale_conv|scale_1x1)\.weight$/, "CSLA blocks of RepOptimizers' search"],
  [/^(model\.)*\d+\.(m\.\d+\.)?cv\d\./, "a YOLO of Ultralytics or its relatives"],
  [/\.(lk_origin|small_conv)\.(conv|bn)\./, "RepLKNet or UniRepLKNet"],
  [/\.(token_mixer|channel_mixer)\./, "RepViT or FastViT"],
];

/** The kind of net that names tell, where it is one of those: " (YOLOv6)"; else "". */
export function familyOf(names: Iterable<string>): string {
  for (const name of names) {
    const family = families.find(([pattern]) => pattern.test(name))?.[1];
    if (family) return ` (${family})`;
  }
  return "";
}
