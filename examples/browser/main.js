import { createEngine } from "/node_modules/repvgg/dist/bundle/engine.js"; // with a bundler: from "repvgg/browser"

const engine = await createEngine();
const net = await engine.load("/node_modules/repvgg/assets/models/cifar10/train.safetensors");
answer.value = "Choose a picture.";
picture.onchange = async () => {
  const { predictions } = await net.classify(picture.files[0], { topK: 3 });
  answer.value = predictions.map(({ name, probability }) => `${name} ${Math.round(100 * probability)} %`).join(", ");
};
