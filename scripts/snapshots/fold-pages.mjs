// What docs/fold shows and the code says: rules, refusals, and pictures of small nets (fold-examples.mjs) that are folded here.
import { examples } from "./fold-examples.mjs";
import { fold, intAttribute, intsAttribute, refusalKinds, rules } from "./library.mjs";

/** Page of docs/fold → what makes its sections: by name, as text. */
export const foldPages = new Map([
  ["README", () => ({ rules: rulesTable(), refusals: kindsTable() })],
  ...rules.map((rule) => [
    rule.id,
    () => ({ rule: describeRule(rule), picture: pictureOf(rule.id), refusals: refusalsTable(rule.refuses) }),
  ]),
  ["regions", () => ({ picture: pictureOf("regions"), refusals: refusalsTable(ofRegions()) })],
  ["bracketed-sums", () => ({ picture: pictureOf("bracketed-sums") })],
  ["moved-scales", () => ({ picture: pictureOf("moved-scales") })],
]);

function ofRegions() {
  return Object.keys(refusalKinds).filter((kind) => refusalKinds[kind].ofRegion);
}

function rulesTable() {
  const rows = rules.map(({ id, nodes, effect, makers }) => {
    return `| [${id}](${id}.md) | ${nodes} | ${effect} | ${Object.keys(makers).join(", ")} |`;
  });
  return ["| rule | nodes | what they do to the map | operators |", "|---|---|---|---|", ...rows].join("\n");
}

function kindsTable() {
  const rows = Object.entries(refusalKinds).map(([kind, { meaning, remedy, ofRegion }]) => {
    const pages = ofRegion ? ["regions"] : rules.filter(({ refuses }) => refuses.includes(kind)).map(({ id }) => id);
    return `| \`${kind}\` | ${meaning} | ${remedy} | ${pages.map((page) => `[${page}](${page}.md)`).join(", ") || "none: operators' own checks come first"} |`;
  });
  return ["| kind | what it means | what to do | pages |", "|---|---|---|---|", ...rows].join("\n");
}

function describeRule({ nodes, effect, makers }) {
  const operators = Object.keys(makers).join(", ");
  return [`**Nodes**: ${nodes}.`, "", `**Effect**: ${effect}.`, "", `**Operators**: ${operators}.`].join("\n");
}

function refusalsTable(kinds) {
  if (kinds.length === 0) return "None of its own.";
  const rows = kinds.map((kind) => `| \`${kind}\` | ${refusalKinds[kind].meaning} | ${refusalKinds[kind].remedy} |`);
  return ["| kind | what it means | what to do |", "|---|---|---|", ...rows].join("\n");
}

/** A net before and after the fold, as Mermaid. */
function pictureOf(page) {
  const graph = examples[page]();
  const folded = fold(graph).graph;
  const part = (name, part) => [
    `  subgraph ${name}`,
    "    direction TB",
    ...flowOf(part, name[0]).map((line) => `    ${line}`),
    "  end",
  ];
  return [
    "```mermaid",
    "flowchart LR",
    ...part("before", graph),
    ...part("after", folded),
    "  before ~~~ after",
    "```",
  ].join("\n");
}

function flowOf(graph, prefix) {
  const boxes = new Map(graph.inputs.map(({ name }) => [name, `${prefix}_${name}`]));
  const lines = graph.inputs.map(({ name }) => `${boxes.get(name)}([${name}])`);
  for (const [i, node] of graph.nodes.entries()) {
    const box = `${prefix}${i}`;
    lines.push(`${box}["${labelOf(node, graph)}"]`);
    for (const input of node.inputs) if (boxes.has(input)) lines.push(`${boxes.get(input)} --> ${box}`);
    for (const output of node.outputs) boxes.set(output, box);
  }
  for (const { name } of graph.outputs) lines.push(`${boxes.get(name)} --> ${prefix}_${name}([${name}])`);
  return lines;
}

/** Operator, what tells it from others of its kind, and its name. */
function labelOf(node, { initializers }) {
  const shapes = node.inputs.flatMap((input) => (initializers.has(input) ? [initializers.get(input).shape] : []));
  const facts = Object.hasOwn(details, node.op) ? details[node.op](node, shapes) : [];
  return [node.op, ...facts.map((fact) => fact), `<i>${node.name}</i>`].join("<br/>");
}

const once = (numbers) => (numbers.every((number) => number === numbers[0]) ? `${numbers[0]}` : numbers.join(" "));

function windowFacts(node, kernel) {
  const read = (name) => intsAttribute(node, name) ?? [];
  const [strides, pads, groups] = [read("strides"), read("pads"), intAttribute(node, "group", 1)];
  return [
    [
      kernel.join("×"),
      ...(strides.some((step) => step !== 1) ? [`stride ${once(strides)}`] : []),
      ...(pads.some((pad) => pad !== 0) ? [`pads ${once(pads)}`] : []),
      ...(groups > 1 ? [`groups ${groups}`] : []),
    ].join(", "),
  ];
}

const constants = (_, shapes) => (shapes.length > 0 ? [`constant [${shapes[0].join(", ")}]`] : []);
const matrix = (_, [[from, to]]) => [`${from} → ${to}`];

const details = {
  Add: constants,
  AveragePool: (node) => windowFacts(node, intsAttribute(node, "kernel_shape")),
  Conv: (node, [[out, ofGroup, ...kernel], bias]) => [
    `${ofGroup * intAttribute(node, "group", 1)} → ${out} channels${bias ? ", bias" : ""}`,
    ...windowFacts(node, kernel),
  ],
  ConvTranspose: (node, [[from, ofGroup, ...kernel], bias]) => [
    `${from} → ${ofGroup * intAttribute(node, "group", 1)} channels${bias ? ", bias" : ""}`,
    ...windowFacts(node, kernel),
  ],
  MatMul: matrix,
  Mul: constants,
  Transpose: (node) => [`axes ${intsAttribute(node, "perm").join(" ")}`],
};
