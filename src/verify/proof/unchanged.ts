import type { NamedArray } from "../../core/named-arrays.js";
import { toFloat64 } from "../../core/named-arrays.js";
import { stackedTerms } from "../../fold/stacked-sums.js";
import { isNoOp } from "../../graph/eliminate.js";
import type { AttributeValue, Graph, GraphNode } from "../../graph/graph.js";
import { readBySubgraphs } from "../../graph/subgraphs.js";
import { producersOf } from "../../graph/validate.js";
import { ComputedConstants } from "./computed-constants.js";
import { movedOperators, type Numbers, type Side, scalesAreMoved } from "./moved-scales.js";
import { isRounded, sameConstant } from "./same-constant.js";

/** A part of a graph that another graph has a node of its own for, proven elsewhere: from the value `source` to the value `output`. */
export interface Replacement {
  readonly source: string;
  readonly output: string;
  /** What its first node reads in the second graph, and the values between its nodes there, where it has several. */
  readonly reads?: string;
  readonly inside?: readonly string[];
}

export interface UnchangedOptions {
  /** By the value that the replacing node gives in the second graph. */
  readonly replaced?: ReadonlyMap<string, Replacement>;
  /** What storing makes of a constant of the first graph (default: nothing). */
  readonly stored?: (array: NamedArray) => NamedArray;
}

/**
 * Why a graph might compute something else than the one it was made of, as far as structure tells; undefined where it is shown to be the
 * same: every node has the operator, attributes and inputs of the node that gave its value before; constants are the same bit for bit, or what
 * the first graph computes of constants, rounded once; nodes that do nothing may be gone; sums may be bracketed otherwise; nodes of
 * `replaced` stand for their parts.
 */
export function whyNotUnchanged(before: Graph, after: Graph, options: UnchangedOptions = {}): string | undefined {
  return new Matching(before, after, options).obstacle();
}

class Matching {
  readonly #before: Graph;
  readonly #after: Graph;
  readonly #replaced: ReadonlyMap<string, Replacement>;
  readonly #inside: ReadonlySet<string>;
  readonly #stored: (array: NamedArray) => NamedArray;
  readonly #old: ReadonlyMap<string, GraphNode>;
  readonly #new: ReadonlyMap<string, GraphNode>;
  readonly #constants: ComputedConstants;
  readonly #computed: ReturnType<ComputedConstants["valuesOf"]>;
  /** The old graph's constants, with those of the computed ones that decide whether a node does nothing. */
  readonly #known: ReadonlyMap<string, NamedArray>;
  /** For each value of the new graph the value of the old one that it is. */
  readonly #image = new Map<string, string>();

  constructor(before: Graph, after: Graph, { replaced = new Map(), stored = (array) => array }: UnchangedOptions) {
    this.#before = before;
    this.#after = after;
    this.#replaced = replaced;
    this.#inside = new Set([...replaced.values()].flatMap(({ inside = [] }) => inside));
    this.#stored = stored;
    this.#old = producersOf(before);
    this.#new = producersOf(after);
    this.#constants = new ComputedConstants(before);
    const made = [...after.initializers.keys()].filter((name) => !before.initializers.has(name) && this.#old.has(name));
    this.#computed = this.#constants.valuesOf(made);
    const settings = before.nodes
      .filter(({ op, domain }) => domain === "" && readsSettings.has(op))
      .flatMap(({ inputs }) => inputs.slice(1).filter((name) => name !== "" && !before.initializers.has(name)));
    const values = [...this.#constants.valuesOf(settings)].map(([name, { shape, data }]): [string, NamedArray] => [
      name,
      { dtype: "f64", shape, data },
    ]);
    this.#known = new Map([...before.initializers, ...values]);
    const inputs = before.inputs.filter(({ name }) => !before.initializers.has(name));
    after.inputs
      .filter(({ name }) => !after.initializers.has(name))
      .forEach(({ name }, i) => {
        if (inputs[i]) this.#image.set(name, inputs[i].name);
      });
  }

  obstacle(): string | undefined {
    for (const node of this.#after.nodes) {
      const found = this.#nodeObstacle(node);
      if (found) return found;
    }
    const [outputs, given] = [this.#before.outputs.length, this.#after.outputs.length];
    if (outputs !== given) return `it gives ${given} outputs instead of ${outputs}`;
    for (const [i, { name }] of this.#after.outputs.entries()) {
      const was = this.#before.outputs[i]?.name;
      if (was === undefined || !this.#same(name, was)) return `the output "${name}" is given by something else`;
    }
    for (const name of readBySubgraphs(this.#after).keys()) {
      const known = this.#image.has(name) || this.#after.initializers.has(name);
      if (known && !this.#same(name, name)) return `"${name}", which control flow reads, is something else`;
    }
    return undefined;
  }

  #nodeObstacle(node: GraphNode): string | undefined {
    const [output] = node.outputs;
    if (this.#inside.has(output)) return undefined;
    const replaced = this.#replaced.get(output);
    if (replaced) {
      if (!this.#same(replaced.reads ?? node.inputs[0], replaced.source))
        return `${named(node)} reads another value than the nodes it replaces`;
      this.#image.set(output, this.#resolved(replaced.output));
      return undefined;
    }
    const was = this.#old.get(output);
    const isSum = isSumNode(node);
    const obstacle = was && this.#difference(was, node);
    if (!was) {
      // An inner value of a sum, or a scale that was moved: its reader looks through it, or is another.
      const looked = isSum || (node.domain === "" && movedOperators.has(node.op));
      return looked ? undefined : `${named(node)} gives a value that was not there`;
    }
    if (obstacle && !(isSum && isSumNode(was) && this.#sameTerms(output, output)) && !this.#isWrittenAnew(node, was)) {
      return obstacle;
    }
    node.outputs.forEach((name) => {
      if (name !== "") this.#image.set(name, this.#resolved(name));
    });
    return undefined;
  }

  /** The same value with scales on the other side of a Concat or Flatten, or a sum along a new axis as a sum. */
  #isWrittenAnew(now: GraphNode, was: GraphNode): boolean {
    const terms = stackedTerms(was, { ...this.#before, initializers: this.#known }, this.#old);
    if (terms) {
      const op = was.op === "ReduceSum" ? "Sum" : "Mean";
      const same = now.inputs.length === terms.length && now.inputs.every((input, i) => this.#same(input, terms[i]));
      return now.op === op && now.domain === "" && same;
    }
    const after: Side = {
      producer: (value) => this.#new.get(value),
      shape: () => undefined,
      constant: (value) => numbersOf(this.#after.initializers.get(value)),
    };
    const before: Side = {
      producer: (value) => this.#old.get(this.#resolved(value)),
      shape: (value) => this.#constants.analysis.shapes.get(value),
      constant: (value) =>
        numbersOf(this.#before.initializers.get(this.#resolved(value))) ?? this.#constants.valuesOf([value]).get(value),
    };
    return scalesAreMoved(now, was, [after, before], (a, b) => this.#same(a, b), sameAttributes);
  }

  #difference(was: GraphNode, now: GraphNode): string | undefined {
    if (was.op !== now.op || was.domain !== now.domain) return `${named(now)} was ${was.op} "${was.name}"`;
    if (now.outputs.some((name, i) => name !== "" && was.outputs[i] !== name))
      return `${named(now)} gives other values`;
    const other = otherAttribute(was, now);
    if (other !== undefined) return `${named(now)} has another "${other}"`;
    const count = Math.max(was.inputs.length, now.inputs.length);
    for (let i = 0; i < count; i++) {
      const [a, b] = [was.inputs[i] ?? "", now.inputs[i] ?? ""];
      if (this.#same(b, a) || (i === 1 && this.#sameTarget(was, b))) continue;
      return `${named(now)} reads "${b}" instead of "${a}"`;
    }
    return undefined;
  }

  /** The new graph's value is the old graph's. */
  #same(now: string, was: string): boolean {
    if (now === "" || was === "") return now === was;
    const constant = this.#after.initializers.get(now);
    if (constant) {
      const stored = this.#before.initializers.get(this.#resolved(was));
      if (stored) return sameConstant(stored, constant) || sameConstant(this.#stored(stored), constant);
      const computed = this.#computed.get(was) ?? this.#computed.get(this.#resolved(was));
      return computed !== undefined && isRounded(computed, constant);
    }
    return this.#image.get(now) === this.#resolved(was) || this.#sameTerms(now, was);
  }

  /** A Reshape's target of which dynamic sizes were copied from its input: 0 says the same. */
  #sameTarget(was: GraphNode, now: string): boolean {
    const target = this.#after.initializers.get(now);
    if (was.op !== "Reshape" || was.domain !== "" || was.attributes.allowzero || !target) return false;
    const { contents, shapes } = this.#constants.analysis;
    const [wanted, input] = [contents.get(was.inputs[1]), shapes.get(was.inputs[0])];
    const sizes = toFloat64(target);
    if (!wanted || sizes.length !== wanted.length) return false;
    return wanted.every(
      (size, axis) => (typeof size === "number" ? size : size === input?.[axis] ? 0 : -2) === sizes[axis],
    );
  }

  /** The value behind nodes that do nothing. */
  #resolved(name: string): string {
    let value = name;
    for (
      let node = this.#old.get(value);
      node && isNoOp(node, this.#known, this.#constants.analysis);
      node = this.#old.get(value)
    ) {
      [value] = node.inputs;
    }
    return value;
  }

  /** Both are sums of the same terms, in whatever order and brackets. */
  #sameTerms(now: string, was: string): boolean {
    const producer = this.#new.get(now);
    const before = this.#old.get(this.#resolved(was));
    if (!producer || !before || !isSumNode(producer) || !isSumNode(before)) return false;
    const left = termsOf(this.#resolved(was), this.#old, (name) => this.#resolved(name));
    for (const { value, sign } of termsOf(now, this.#new, (name) => name)) {
      const constant = this.#after.initializers.has(value);
      const image = this.#image.get(value);
      const at = left.findIndex(
        (term) => term.sign === sign && (constant ? this.#same(value, term.value) : term.value === image),
      );
      if (at < 0) return false;
      left.splice(at, 1);
    }
    return left.length === 0;
  }
}

/** Operators whose constants decide what they are. */
const readsSettings = new Set(["Dropout", "Pad", "ReduceMean", "ReduceSum", "Unsqueeze"]);

const named = ({ op, name }: GraphNode): string => `${op} "${name}"`;

const isSumNode = ({ op, domain, inputs }: GraphNode): boolean =>
  domain === "" && ["Add", "Sub", "Sum"].includes(op) && inputs.length > 0;

interface Term {
  readonly value: string;
  readonly sign: number;
}

/** Chains longer than this are not looked through. */
const mostTerms = 256;

function termsOf(sum: string, producers: ReadonlyMap<string, GraphNode>, resolved: (name: string) => string): Term[] {
  const terms: Term[] = [];
  const open: Term[] = [{ value: sum, sign: 1 }];
  for (let part = open.pop(); part; part = open.pop()) {
    const { sign } = part;
    const value = resolved(part.value);
    const node = producers.get(value);
    if (!node || !isSumNode(node) || terms.length + open.length > mostTerms) terms.push({ value, sign });
    else {
      node.inputs.forEach((input, i) => {
        open.push({ value: input, sign: node.op === "Sub" && i === 1 ? -sign : sign });
      });
    }
  }
  return terms;
}

const numbersOf = (array: NamedArray | undefined): Numbers | undefined =>
  array && { shape: array.shape, data: toFloat64(array) };

/** An attribute that two nodes have otherwise. */
function otherAttribute(was: GraphNode, now: GraphNode): string | undefined {
  const names = new Set([...Object.keys(was.attributes), ...Object.keys(now.attributes)]);
  return [...names].find((name) => !sameAttribute(was.attributes[name], now.attributes[name]));
}

const sameAttributes = (now: GraphNode, was: GraphNode): boolean => otherAttribute(was, now) === undefined;

function sameAttribute(a: AttributeValue | undefined, b: AttributeValue | undefined): boolean {
  if (a === b) return true;
  if (!a || !b || a.type !== b.type) return false;
  if (a.type === "tensor" && b.type === "tensor") return sameConstant(a.value, b.value);
  if (a.type === "opaque" && b.type === "opaque") {
    return (
      a.onnxType === b.onnxType && a.bytes.length === b.bytes.length && a.bytes.every((byte, i) => byte === b.bytes[i])
    );
  }
  return JSON.stringify(a) === JSON.stringify(b);
}
