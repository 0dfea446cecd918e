import { BusyError, createClassifier, UserError } from "repvgg";

const model = process.env.MODEL ?? "node_modules/repvgg/assets/models/cifar10/plain.safetensors";
const classifier = await createClassifier(model); // once, when the server starts

const server = Bun.serve({
  port: process.env.PORT ?? 3000,
  async fetch(request) {
    if (request.method !== "POST") return new Response("POST a picture\n");
    try {
      const { predictions } = await classifier.classify(await request.arrayBuffer(), {
        topK: 3,
        signal: request.signal,
      });
      return Response.json(predictions);
    } catch (error) {
      const status = error instanceof BusyError ? 503 : error instanceof UserError ? 400 : 500;
      return Response.json({ error: status === 500 ? "internal error" : (error as Error).message }, { status });
    }
  },
});
console.log(`listening on port ${server.port}`);
