import fastify from "fastify";
import { BusyError, createClassifier, UserError } from "repvgg";

const model = process.env.MODEL ?? "node_modules/repvgg/assets/models/cifar10/plain.safetensors";
const classifier = await createClassifier(model); // once, when the server starts

const app = fastify({ bodyLimit: 10 * 2 ** 20 });
app.addContentTypeParser(/^image\//, { parseAs: "buffer" }, (_request, body, done) => done(null, body));
app.post("/classify", async ({ body }) => (await classifier.classify(body, { topK: 3 })).predictions);
// What is wrong with a picture is said in one line, which the client may read.
app.setErrorHandler((error, _request, reply) => {
  const status = error instanceof BusyError ? 503 : error instanceof UserError ? 400 : (error.statusCode ?? 500);
  reply.code(status).send({ error: status === 500 ? "internal error" : error.message });
});
app.addHook("onClose", () => classifier.dispose());

await app.listen({ port: Number(process.env.PORT ?? 3000), host: "0.0.0.0" });
console.log(`listening on port ${app.server.address().port}`);
process.on("SIGTERM", () => app.close());
