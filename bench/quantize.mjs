// What quantization costs, step by step: the shipped CIFAR-10 net and a net made to collapse, calibrated on training pictures, scored on test pictures.
//
//   node bench/quantize.mjs --cifar10 FOLDER [--write] [--test 10000] [--pictures 500] [--only default-8,naive-layer-8]
//
// FOLDER holds train/CLASS/*.jpg and test/CLASS/*.jpg. Everything is chosen on training pictures; test pictures are looked at once, at the end of each part.
// A part that bench/results/quantize.json has for the same net and the same numbers of pictures is not done again.
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { evaluate, loadNet, netOf, openDataset, quantize } from "repvgg";

const { values } = parseArgs({
  options: {
    cifar10: { type: "string" },
    net: { type: "string", default: "assets/models/cifar10" },
    test: { type: "string", default: "10000" },
    pictures: { type: "string", default: "500" },
    only: { type: "string" },
    write: { type: "boolean", default: false },
  },
});
if (!values.cifar10) throw new Error("give --cifar10 FOLDER");
const results = new URL("results/quantize.json", import.meta.url);
const [testPictures, pictures] = [Number(values.test), Number(values.pictures)];

/** `count` pictures at even distances. */
function spread(set, count) {
  if (set.length <= count) return set;
  return set.select(Array.from({ length: count }, (_, i) => Math.floor((i * set.length) / count)));
}

/** Scales three channels of every block by 64 and what reads them by 1/64: the float outputs stay the same, as if an identity branch's γ were so large. */
function collapsing({ architecture, form, state, metadata }) {
  const scaled = new Map(state);
  const paths = [...state.keys()]
    .filter((name) => name.endsWith(".rbr_reparam.weight"))
    .map((name) => name.slice(0, -7));
  const readers = [...paths.slice(1), "linear"];
  for (const [i, path] of paths.entries()) {
    const [weight, bias, reader] = [`${path}.weight`, `${path}.bias`, `${readers[i]}.weight`].map((name) =>
      scaled.get(name),
    );
    const [w, b, r] = [weight, bias, reader].map(({ data }) => data.slice());
    const outputs = weight.shape[0];
    const inputs = w.length / outputs;
    const taps = reader.shape.slice(2).reduce((product, size) => product * size, 1);
    for (const c of [1, Math.floor(outputs / 2), outputs - 2]) {
      for (let k = 0; k < inputs; k++) w[c * inputs + k] *= 64;
      b[c] *= 64;
      for (let o = 0; o < reader.shape[0]; o++) for (let k = 0; k < taps; k++) r[(o * outputs + c) * taps + k] /= 64;
    }
    scaled.set(`${path}.weight`, { ...weight, data: w });
    scaled.set(`${path}.bias`, { ...bias, data: b });
    scaled.set(`${readers[i]}.weight`, { ...reader, data: r });
  }
  return netOf({ architecture, form, state: scaled, metadata });
}

const file = `${values.net}/plain.safetensors`;
const plain = await loadNet(file);
const train = await loadNet(`${values.net}/train.safetensors`);
const collapse = collapsing(plain.model);
const calibration = spread(await openDataset(values.cifar10, "train"), pictures);
const test = spread(await openDataset(values.cifar10, "test"), testPictures);

const nearest = { equalize: "none", ranges: "min-max", rounding: "nearest", correctBias: false, mixedPrecision: false };
const naive = { ...nearest, perChannel: false };
/** Each part: a net and how it is quantized; without options it is scored in float. */
const parts = {
  float: { net: plain },
  "naive-layer-8": { net: plain, options: naive },
  "naive-channel-8": { net: plain, options: nearest },
  "default-8": { net: plain, options: {} },
  "data-free-8": { net: train, options: {}, dataFree: true },
  "collapse-naive-layer-8": { net: collapse, options: naive },
  "collapse-naive-channel-8": { net: collapse, options: nearest },
  "collapse-default-8": { net: collapse, options: {} },
  "nearest-4": { net: plain, options: { ...nearest, bits: 4 } },
  "adaptive-4": { net: plain, options: { bits: 4, mixedPrecision: false } },
  "nearest-6": { net: plain, options: { ...nearest, bits: 6 } },
  "adaptive-6": { net: plain, options: { bits: 6, mixedPrecision: false } },
  "weights-nearest-4": { net: plain, options: { ...nearest, bits: 4, weightsOnly: true } },
  "weights-adaptive-4": { net: plain, options: { bits: 4, weightsOnly: true, mixedPrecision: false } },
};

const setting = {
  net: createHash("sha256").update(readFileSync(file)).digest("hex").slice(0, 16),
  test: test.length,
  pictures: calibration.length,
};
const before = existsSync(results) ? JSON.parse(readFileSync(results, "utf8")) : undefined;
const same = before && JSON.stringify(before.setting) === JSON.stringify(setting);
const done = same ? before.parts : {};
const asked = values.only?.split(",") ?? Object.keys(parts);

for (const name of asked) {
  if (done[name]) continue;
  const { net, options, dataFree } = parts[name];
  const started = process.cpuUsage();
  const made = options && (await quantize(net, { ...options, ...(!dataFree && { data: calibration }) }));
  const used = process.cpuUsage(started);
  const { top1, images } = await evaluate(made?.net ?? net, test);
  done[name] = {
    top1,
    images,
    ...(made && {
      bits: made.report.bits,
      bytes: made.report.bytes,
      processorSeconds: Math.round((used.user + used.system) / 1e6),
      steps: made.report.steps.map(({ name: step, kept, measured }) => ({
        step,
        kept,
        ...(measured && {
          decibels: Number(measured.decibels.toFixed(2)),
          agreement: measured.agreement,
          top1: measured.top1,
        }),
      })),
      floatLayers: made.report.floatLayers,
    }),
  };
  console.log(`${name.padEnd(28)} top-1 ${(100 * top1).toFixed(2)} % on ${images} test pictures`);
  if (values.write) writeFileSync(results, `${JSON.stringify({ setting, parts: done }, undefined, 2)}\n`);
}
