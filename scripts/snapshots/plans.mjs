// A net's counts, fold report and engine plans as text: what changes without anybody meaning it shows here as a difference.
import { elementCount, fold, planReport, UserError } from "./library.mjs";

/**
 * Kernels that the plans are made for, whatever the machine: algorithms come from the cost model, never from a clock. Their numbers are
 * those of the builds. Threads shape tasks and workspaces, never algorithms.
 */
export const targets = {
  wasm: { lanes: 4, panelColumns: 8, microRows: 4, threads: 1 },
  "x86-64-v3": { lanes: 8, panelColumns: 16, microRows: 4, threads: 2 },
  "x86-64-v4": { lanes: 16, panelColumns: 32, microRows: 8, threads: 2 },
};

/** The snapshot of a net (an entry of nets.mjs). */
export function describeNet(name, makeNet) {
  const { graph, shapes, counts, unfused } = makeNet();
  // Deferred: the folded kernels are not computed, since nobody asks for their numbers.
  const folded = fold(graph, { deferred: true });
  const inputs = Object.entries(shapes).map(([input, shape]) => `${input} [${shape.join(", ")}]`);
  const lines = [
    name,
    ...(counts ? ["", "counts", ...describeCounts(counts)] : []),
    "",
    "fold",
    ...describeFold(folded.report),
    "",
    `plan as given, for ${inputs.join(", ")}`,
    ...describePlans(graph, shapes),
    ...(unfused ? ["", "plan as given, BatchNorms kept as steps", ...describePlans(graph, shapes, false)] : []),
  ];
  if (folded.report.regions.length > 0) lines.push("", "plan folded", ...describePlans(folded.graph, shapes));
  return `${lines.map((line) => line.trimEnd()).join("\n")}\n`;
}

function describeCounts({ parameters, macs, winogradMultiplications, squeezeExciteMacs }) {
  return [
    `  parameters: ${number(parameters.train)} in training form, ${number(parameters.plain)} plain`,
    `  MACs: ${number(macs.train)} in training form, ${number(macs.plain)} plain, ${number(squeezeExciteMacs)} of squeeze-and-excitation`,
    `  Winograd multiplications: ${number(winogradMultiplications)}`,
  ];
}

function describeFold({ nodesBefore, nodesAfter, regions, refusals }) {
  return [
    `  ${nodesBefore} → ${nodesAfter} nodes`,
    ...regions.flatMap(({ op, conv, form, source, output, macsBefore, macsAfter, nodes }) => [
      `  ${op} "${conv}" from "${source}" to "${output}": ${form}, ${number(macsBefore)} → ${number(macsAfter)} MACs`,
      `    of ${nodes.join(", ")}`,
    ]),
    ...refusals.map(({ node, op, reason }) => `  kept ${op} "${node}": ${reason}`),
  ];
}

/** One table for all kernels: what differs between them stands as `one | other | …`. */
function describePlans(graph, inputShapes, fuseBatchNorm = true) {
  const constants = [...graph.initializers.values()].reduce((sum, { shape }) => sum + elementCount(shape), 0);
  const size = `  ${graph.nodes.length} nodes, ${number(constants)} constants`;
  const reports = [];
  for (const backend of Object.values(targets)) {
    try {
      reports.push(planReport(graph, { inputShapes, backend, fuseBatchNorm }));
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      return [size, `  not run: ${error.message}`];
    }
  }
  const [first] = reports;
  if (reports.some(({ steps }) => steps.length !== first.steps.length)) {
    throw new Error("kernels differ in the steps of a plan: describePlans has to tell them one by one");
  }
  const of = (field) => perTarget(reports.map((report) => number(report[field])));
  return [
    size,
    `  outputs: ${first.outputs.map(({ name, shape }) => `${name} [${shape.join(", ")}]`).join(", ")}`,
    `  MACs: ${of("macs")}`,
    `  peak activation bytes: ${of("peakActivationBytes")}`,
    `  arena bytes (${Object.keys(targets).join(" | ")}): ${of("arenaBytes")}`,
    `  packed weight bytes: ${of("weightBytes")}`,
    "  steps: name, operators, output, MACs; algorithm, packed weight bytes, workspace bytes",
    ...first.steps.map((_, index) => describeStep(reports.map(({ steps }) => steps[index]))),
  ];
}

function describeStep(steps) {
  const heads = steps.map(({ name, op, outputShape, macs }) => {
    return `${name}, ${op}, ${outputShape.join("×")}${macs > 0 ? `, ${number(macs)}` : ""}`;
  });
  const tails = steps.map(({ algorithm, weightBytes, workspaceBytes }) => {
    const bytes = [weightBytes, workspaceBytes].map(number);
    return weightBytes + workspaceBytes > 0 ? `${algorithm} ${bytes.join(" ")}` : algorithm;
  });
  return `    ${perTarget(heads)}; ${perTarget(tails)}`;
}

function perTarget(texts) {
  return new Set(texts).size === 1 ? texts[0] : texts.join(" | ");
}

/** 1,234,567, on every machine. */
function number(value) {
  const text = String(Math.abs(value) < 1 ? value : Math.round(value * 1000) / 1000);
  const [whole, ...fraction] = text.split(".");
  return [whole.replace(/\B(?=(\d{3})+$)/g, ","), ...fraction].join(".");
}
