// Memory of activations in training form and folded, planned and really used: node bench/memory.mjs [--nets A0,B0] [--write]
// The paper's figure 3 on whole nets. --write keeps docs/results/memory.json and docs/results/memory.html. Nothing is timed.
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { reportPage, repvgg } from "repvgg";
import { layerMemory, mostKeepingLayer } from "#repvgg/analysis/profile/form-memory.js";
import { byteSize } from "#repvgg/core/format.js";
import { memorySections } from "#repvgg/studies/profile/memory-page.js";
import { profileMemory } from "#repvgg/studies/profile/profile.node.js";
import { usedText } from "#repvgg/studies/profile/text.js";
import { benchFolder, command, machine } from "./lib.mjs";

const { values } = parseArgs({
  options: { nets: { type: "string", default: "A0,B0" }, write: { type: "boolean", default: false } },
});

const profiles = [];
for (const net of values.nets.split(",")) {
  const profile = { net, ...(await profileMemory(repvgg(net), { threads: 1 })) };
  profiles.push(profile);
  const { head, rows } = usedText(profile.used);
  console.log(`\n${net}, ${JSON.stringify(profile.shapes)}, training form : plain form ${ratio(profile).toFixed(2)}`);
  for (const row of [head, ...rows]) console.log(row.map((cell, i) => cell.padEnd(i === 0 ? 32 : 14)).join(""));
}
if (values.write) write();

/** Peak of live activations: training form, with BatchNorm as steps of its own, over plain form. */
function ratio({ memory: [train, plain] }) {
  return train.peakActivationBytes / plain.peakActivationBytes;
}

function write() {
  const folder = join(dirname(benchFolder), "docs", "results");
  mkdirSync(folder, { recursive: true });
  const results = { command, machine: machine(), nets: profiles.map(summaryOf) };
  writeFileSync(join(folder, "memory.json"), `${JSON.stringify(results, null, 2)}\n`);
  writeFileSync(join(folder, "memory.html"), reportPage(report()));
  console.log(`\n${folder}/memory.json, memory.html`);
}

function summaryOf(profile) {
  const { net, shapes, memory, used } = profile;
  const block = mostKeepingLayer(memory[0]);
  return {
    net,
    shapes,
    peakRatio: ratio(profile),
    forms: memory.map((form, i) => {
      const { peakActivationBytes, peakStep, peakKeptBytes, arenaBytes, weightBytes, points } = form;
      const { layer, inputBytes, peakLive, peakKept } = layerMemory(form, block);
      return {
        form: form.form,
        planned: { peakActivationBytes, peakStep, peakKeptBytes, arenaBytes, weightBytes },
        used: used[i],
        block: { layer, inputBytes, peakLive, peakKept },
        steps: points.map(({ step, activationBytes, keptBytes }) => [step, activationBytes, keptBytes]),
      };
    }),
  };
}

function report() {
  const { processor, node, date } = machine();
  return {
    kind: "repvgg bench/memory",
    title: "Memory of activations in both forms",
    lead: `${profiles.map((profile) => `${profile.net}: ${byteSize(profile.memory[0].peakActivationBytes)} in training form, ${byteSize(profile.memory[1].peakActivationBytes)} folded`).join("; ")}. What processes really used is within ${worstGap()} % of the plan.`,
    sections: [
      {
        kind: "figures",
        figures: profiles.map((profile) => ({
          label: `${profile.net}, training form over plain form`,
          value: `${ratio(profile).toFixed(2)} ×`,
          note: "peak of live activations, batch 1, BatchNorm by itself in training form",
        })),
      },
      ...profiles.flatMap((profile) => [
        { kind: "heading", text: `RepVGG-${profile.net}, ${Object.values(profile.shapes)[0].join("×")}` },
        ...memorySections(profile),
      ]),
    ],
    footer: [`${command}. ${processor}, Node ${node}, ${date}.`],
  };
}

function worstGap() {
  const gaps = profiles.flatMap(({ used }) =>
    used.flatMap(({ arenaBytes, writtenBytes, growth }) => [
      Math.abs(writtenBytes / arenaBytes - 1),
      ...(growth ? [Math.abs(growth.usedBytes / growth.plannedBytes - 1)] : []),
    ]),
  );
  return (100 * Math.max(...gaps)).toFixed(1);
}
