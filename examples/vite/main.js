import model from "repvgg/assets/models/cifar10/plain.safetensors?url";
import { createEngine } from "repvgg/browser";

const picture = document.querySelector("#picture");
const answer = document.querySelector("#answer");
const engine = await createEngine(); // in a worker: the page never waits
const net = await engine.load(model);
answer.value = "Choose a picture.";
picture.onchange = async () => {
  try {
    const { predictions } = await net.classify(picture.files[0], { topK: 3 });
    answer.value = predictions.map(({ name, probability }) => `${name} ${Math.round(100 * probability)} %`).join(", ");
  } catch (error) {
    answer.value = error.message; // one line: no picture, a damaged one, …
  }
};
