// What every runtime does with the installed package: one line of JSON on standard output, bits as digests.
import { createHash } from "node:crypto";
import {
  createClassifier,
  createSession,
  fold,
  kernels,
  loadModel,
  predict,
  repvgg,
  saveModel,
  train,
  UserError,
  verify,
} from "repvgg";

const assets = "node_modules/repvgg/assets";
const [net, picture] = [`${assets}/models/cifar10/train.safetensors`, `${assets}/samples/horses.jpg`];
const threads = 2;

function digest(arrays) {
  const hash = createHash("sha256");
  for (const { buffer, byteOffset, byteLength } of arrays) hash.update(new Uint8Array(buffer, byteOffset, byteLength));
  return hash.digest("hex").slice(0, 16);
}

const model = await loadModel(net);
const plain = fold(model);
await saveModel(plain, "plain.safetensors");

async function computed(kind) {
  const options = { kernels: kind, threads };
  const session = await createSession("plain.safetensors", options);
  const input = { shape: [1, 3, 32, 32], data: Float32Array.from({ length: 3 * 32 * 32 }, (_, i) => Math.sin(i)) };
  const outputs = Object.values(session.run(input)).map(({ data }) => data);
  session.dispose();

  const classifier = await createClassifier("plain.safetensors", options);
  const { logits, predictions } = await classifier.classify(picture, { topK: 3 });
  const together = await Promise.all(Array.from({ length: 5 }, () => classifier.classify(picture)));
  const refused = await classifier.classify(new Uint8Array([1, 2, 3])).catch((error) => error);
  const used = classifier.kernels;
  await classifier.dispose();

  const [best] = await predict(model, picture, options);
  const fresh = repvgg("nano", { classes: 3, inputSize: 16, seed: 1 });
  const trained = await train(fresh, "pictures", { ...options, epochs: 1, batchSize: 8, seed: 1 });
  return {
    kernels: used.name,
    session: digest(outputs),
    classify: digest([logits]),
    sameTogether: together.every((answer) => digest([answer.logits]) === digest([logits])),
    names: predictions.map(({ name }) => name),
    best: [best.name, best.logit],
    refused: refused instanceof UserError && refused.message,
    trained: digest([...trained.model.state.values()].map(({ data }) => data)),
    trainLoss: trained.epochs[0].trainLoss,
  };
}

const native = kernels().kind === "native" ? await computed("native") : null;
const verified = await verify(model, plain);
console.log(JSON.stringify({ native, wasm: await computed("wasm"), agree: verified.agree }));
