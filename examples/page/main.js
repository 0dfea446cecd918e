import { createEngine } from "/node_modules/repvgg/dist/bundle/engine.js"; // with a bundler: from "repvgg/browser"

const engine = await createEngine(); // in a worker: the page never waits
const net = await engine.load("/node_modules/repvgg/assets/models/cifar10/plain.safetensors");
answer.value = "Choose a picture.";
picture.onchange = async () => {
  try {
    const { predictions } = await net.classify(picture.files[0], { topK: 3 });
    answer.value = predictions.map(({ name, probability }) => `${name} ${Math.round(100 * probability)} %`).join(", ");
  } catch (error) {
    answer.value = error.message; // one line: no picture, a damaged one, …
  }
};
