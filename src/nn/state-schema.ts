import type { Architecture, Form } from "./architecture.js";
import { blockDefinition } from "./blocks/registry.js";
import { auxHeadLayouts, blockLayouts, featureChannels } from "./layout.js";
import { SchemaBuilder, type StateSchema } from "./schema-builder.js";

/** The state that a net of this architecture has in this form. */
export function stateSchema(architecture: Architecture, form: Form): StateSchema {
  const builder = new SchemaBuilder();
  const definition = blockDefinition(architecture.block.kind);
  for (const layout of blockLayouts(architecture)) {
    const { path, inChannels, outChannels, groups, squeezeExcite } = layout;
    if (squeezeExcite) {
      const { channels, squeezed } = squeezeExcite;
      builder.conv(`${squeezeExcite.path}.down`, squeezed, channels, [1, 1], true);
      builder.conv(`${squeezeExcite.path}.up`, channels, squeezed, [1, 1], true);
    }
    if (form === "plain" || layout.folded)
      builder.conv(`${path}.rbr_reparam`, outChannels, inChannels / groups, [3, 3], true);
    else definition.addState(builder, layout);
  }
  builder.linear("linear", architecture.classes, featureChannels(architecture));
  if (form === "train") {
    for (const { path, channels } of auxHeadLayouts(architecture)) {
      builder.conv(`${path}.0.conv`, channels, channels, [3, 3]);
      builder.batchNorm(`${path}.0.bn`, channels);
      builder.linear(`${path}.3`, architecture.classes, channels);
    }
  }
  return builder.schema;
}
