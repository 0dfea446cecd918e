import type { NamedArray } from "../core/named-arrays.js";
import { node as makeNode, type Names } from "../graph/build.js";
import type { AttributeValue, Dimension, GraphNode } from "../graph/graph.js";
import type { NodeContext } from "../graph/operator/operator.js";

/** Nodes in a node's place. */
export class Spelling {
  readonly nodes: GraphNode[] = [];
  constructor(
    readonly context: NodeContext,
    readonly initializers: Map<string, NamedArray>,
    readonly values: Names,
    readonly names: Names,
    /** The nodes that read a value; undefined for an output of the graph, which its caller reads too. */
    readonly readers: (value: string) => readonly GraphNode[] | undefined,
  ) {}

  get node(): GraphNode {
    return this.context.node;
  }

  constant(what: string, array: NamedArray): string {
    const name = this.values.take(`${this.node.outputs[0]}.${what}`);
    this.initializers.set(name, array);
    return name;
  }

  /** @param output the node's own output for its last step */
  add(op: string, inputs: readonly string[], attributes: Record<string, AttributeValue> = {}, output?: string): string {
    const value = output ?? this.values.take(`${this.node.outputs[0]}.${op}`);
    const name = output === undefined ? this.names.take(`${this.node.name}.${op}`) : this.node.name;
    this.nodes.push(makeNode(op, name, inputs, [value], attributes));
    return value;
  }
}

/** Whether all sizes are known. */
export function isStatic(shape: readonly Dimension[] | undefined): shape is readonly number[] {
  return shape?.every((size) => typeof size === "number") ?? false;
}
