import { useState } from "react";
import { createRoot } from "react-dom/client";
import model from "repvgg/assets/models/cifar10/plain.safetensors?url";
import { useClassifier } from "./use-classifier.js";

function App() {
  const { net, error } = useClassifier(model);
  const [answer, setAnswer] = useState("Choose a picture.");
  const classify = async ({ target }) => {
    try {
      const [best] = (await net.classify(target.files[0])).predictions;
      setAnswer(`${best.name} ${Math.round(100 * best.probability)} %`);
    } catch (failed) {
      setAnswer(failed.message);
    }
  };
  return (
    <label>
      Picture <input id="picture" type="file" accept="image/*" disabled={!net} onChange={classify} />
      <output id="answer">{error ? error.message : net ? answer : "Loading the model …"}</output>
    </label>
  );
}

createRoot(document.querySelector("#root")).render(<App />);
