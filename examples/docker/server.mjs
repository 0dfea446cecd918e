import { createServer } from "node:http";
import { BusyError, createClassifier, UserError } from "repvgg";

const model = process.env.MODEL ?? "node_modules/repvgg/assets/models/cifar10/plain.safetensors";
const classifier = await createClassifier(model); // once, when the server starts

const server = createServer(async (request, response) => {
  if (request.method !== "POST") return response.end("POST a picture\n");
  const gone = new AbortController();
  response.on("close", () => gone.abort());
  try {
    const { predictions } = await classifier.classify(request, { topK: 3, signal: gone.signal });
    response.setHeader("Content-Type", "application/json").end(JSON.stringify(predictions));
  } catch (error) {
    const status = error instanceof BusyError ? 503 : error instanceof UserError ? 400 : 500;
    response.writeHead(status, { "Content-Type": "application/json" });
    response.end(JSON.stringify({ error: status === 500 ? "internal error" : error.message }));
  }
});
server.listen(process.env.PORT ?? 3000, () => console.log(`listening on port ${server.address().port}`));
process.on("SIGTERM", () => server.close(() => classifier.dispose()));
