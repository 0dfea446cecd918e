import { BusyError, createClassifier, UserError } from "repvgg";

const model = process.env.MODEL ?? "node_modules/repvgg/assets/models/cifar10/plain.safetensors";
const classifier = await createClassifier(model); // when the function starts; later calls find it ready

/** An event of API Gateway or of a function's URL, format 2.0, whose body is the picture. */
export async function handler(event) {
  try {
    const picture = Buffer.from(event.body ?? "", event.isBase64Encoded ? "base64" : "latin1");
    const { predictions } = await classifier.classify(picture, { topK: 3 });
    return answer(200, predictions);
  } catch (error) {
    if (error instanceof BusyError) return answer(503, { error: error.message });
    if (error instanceof UserError) return answer(400, { error: error.message });
    throw error;
  }
}

function answer(statusCode, value) {
  return { statusCode, headers: { "content-type": "application/json" }, body: JSON.stringify(value) };
}
