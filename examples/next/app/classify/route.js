import { BusyError, createClassifier, UserError } from "repvgg";

const model = process.env.MODEL ?? "node_modules/repvgg/assets/models/cifar10/plain.safetensors";
let classifier; // made by the first request, not while Next.js builds

export async function POST(request) {
  try {
    classifier ??= createClassifier(model);
    const { predictions } = await (await classifier).classify(await request.arrayBuffer(), { topK: 3 });
    return Response.json(predictions);
  } catch (error) {
    const status = error instanceof BusyError ? 503 : error instanceof UserError ? 400 : 500;
    return Response.json({ error: status === 500 ? "internal error" : error.message }, { status });
  }
}
