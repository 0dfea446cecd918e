import express from "express";
import { BusyError, createClassifier, UserError } from "repvgg";

const model = process.env.MODEL ?? "node_modules/repvgg/assets/models/cifar10/plain.safetensors";
const classifier = await createClassifier(model); // once, when the server starts

const app = express();
app.post("/classify", express.raw({ type: "image/*", limit: "10mb" }), async (request, response) => {
  const { predictions } = await classifier.classify(request.body, { topK: 3 });
  response.json(predictions);
});
// What is wrong with a picture is said in one line, which the client may read.
app.use((error, _request, response, _next) => {
  const status = error instanceof BusyError ? 503 : error instanceof UserError ? 400 : (error.status ?? 500);
  response.status(status).json({ error: status === 500 ? "internal error" : error.message });
});

const server = app.listen(process.env.PORT ?? 3000, () => console.log(`listening on port ${server.address().port}`));
process.on("SIGTERM", () => server.close(() => classifier.dispose()));
