// docs/operators.md: what is known of each ONNX operator, out of the registries that decide it.
import { engineOperators, gradientOf, limits, linearOperators, noOps, operators, stacking } from "./library.mjs";

const none = "–";

/** A column: its title, and a cell by an operator's definition. Another kind of engine is another line. */
const columns = [
  { title: "operator", cell: ({ name }) => name },
  { title: "versions", cell: ({ versions }) => versions.join(", ") },
  { title: "folds", cell: ({ name }) => folds(name) },
  { title: "engine", cell: ({ name, evaluate }) => (engineOperators.has(name) ? "yes" : evaluate ? "constant" : none) },
  { title: "gradient", cell: ({ name }) => (Object.hasOwn(gradientOf, name) ? `\`${gradientOf[name]}\`` : none) },
  { title: "float64", cell: ({ evaluate }) => (evaluate ? "yes" : none) },
  { title: "the engine needs constant", cell: ({ name }) => limits[name]?.constant?.join(", ") ?? "" },
  { title: "the engine refuses", cell: ({ name }) => limits[name]?.refused ?? "" },
];

function folds(name) {
  if (linearOperators.has(name)) return "yes";
  if (Object.hasOwn(stacking, name)) return "of stacked values";
  return noOps.has(name) ? "where it does nothing" : none;
}

export function operatorsPage() {
  const sorted = [...operators.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  const count = (title, ...cells) => {
    const { cell } = columns.find((column) => column.title === title);
    return sorted.filter((operator) => !cells.includes(cell(operator))).length;
  };
  const row = (cells) => `| ${cells.join(" | ")} |`;
  return `# Operators

Every operator of ONNX's own that this package understands, made by \`npm run snapshots\` out of the registries that decide it
(\`src/operators\`, the fold's rules, the engine's lowerings, the tape); a test fails when it is stale. Other operators, and operator sets older than the
first version, are kept in a graph as they are: what lies around them still folds and is proven.

${sorted.length} operators: ${count("float64", none)} are evaluated in float64, the engine runs ${count("engine", none, "constant")},
${count("folds", none)} fold, ${count("gradient", none)} have a gradient.

- **versions**: ONNX's since-versions whose meaning is known, to the newest of ONNX 1.23.
- **folds**: nodes can be part of a linear region that becomes one convolution or matrix product; in which forms, and why not, says [fold.md](fold.md), and
  \`repvgg fold\` of each node. *of stacked values*: a sum or mean over the axis along which values were stacked. *where it does nothing*: such nodes go.
- **engine**: runs natively and in WebAssembly. *constant*: computed before, where its operands are constants or follow from the shapes of the inputs, as
  whatever else is constant (then the limits do not count either).
- **gradient**: nets are trained on a tape of operations (\`src/tensor/ops\`), from which their graphs are written; a graph from a file is not trained.
- **float64**: by the definition, for proofs (\`fold\`, \`verify\`) and tests.

All numbers are float32 words in the engine: float16 and float64 are computed as float32; whole numbers and truth values are exact up to 2^24, and a computed
one beyond, like an index outside of what it is to pick from, is an error that names the node when the net runs. Results have at least one element and
at most 2^31 − 1. What the engine refuses is an error that names the node; \`repvgg info net.onnx\` says what it lacks of a net.

${row(columns.map(({ title }) => title))}
${row(columns.map(() => "---"))}
${sorted.map((operator) => row(columns.map(({ cell }) => cell(operator)))).join("\n")}
`;
}
