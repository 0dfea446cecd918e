// A server that classifies, under load: node bench/serve.mjs [--requests 1000] [--clients 20] [--net A0] [--kernels native|wasm] [--threads n] [--batch 8]
//   [--picture 320x240]
// Prints the server's peak memory, what a parallel /ping waits, and its throughput against bare session.run in batches of 8 on the same threads,
// with the processor time that a picture takes in the server and in the clients, who share the machine.
// The server is fastify where that is installed, else node:http; it runs in a process of its own, the clients in another. Random weights.
import { fork } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { Agent, createServer, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { createClassifier, createSession, fold, repvgg, saveModel, UserError } from "repvgg";
import sharp from "sharp";

const { values } = parseArgs({
  options: {
    requests: { type: "string", default: "1000" },
    clients: { type: "string", default: "20" },
    net: { type: "string", default: "A0" },
    kernels: { type: "string" },
    threads: { type: "string" },
    batch: { type: "string", default: "8" },
    picture: { type: "string", default: "320x240" },
    role: { type: "string" },
    file: { type: "string" },
  },
});
const compute = {
  ...(values.kernels && { kernels: values.kernels }),
  ...(values.threads && { threads: Number(values.threads) }),
};

if (values.role === "server") await serve();
else if (values.role === "bare") await bare();
else await measure();

async function serve() {
  const classifier = await createClassifier(values.file, { ...compute, batch: Number(values.batch) });
  const answer = async (body) => (await classifier.classify(body)).predictions;
  const fastify = await import("fastify").then(
    (module) => module.default,
    () => undefined,
  );
  let port;
  if (fastify) {
    const app = fastify({ bodyLimit: 1 << 24 });
    app.addContentTypeParser("image/jpeg", { parseAs: "buffer" }, (_, body, done) => done(null, body));
    app.get("/ping", () => "pong");
    app.post("/classify", ({ body }) => answer(body));
    await app.listen({ port: 0, host: "127.0.0.1" });
    port = app.server.address().port;
  } else {
    const server = createServer(async (incoming, response) => {
      if (incoming.url === "/ping") return response.end("pong");
      try {
        response.end(JSON.stringify(await answer(incoming)));
      } catch (error) {
        response.writeHead(error instanceof UserError ? 400 : 500).end(error.message);
      }
    });
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    port = server.address().port;
  }
  process.on("message", () =>
    process.send({
      rss: process.memoryUsage().rss,
      peak: process.resourceUsage().maxRSS * 1024,
      cpu: cpuMilliseconds(),
    }),
  );
  const { name, threads } = classifier.kernels;
  process.send({ port, by: fastify ? "fastify" : "node:http", kernels: `${name}, ${threads} threads` });
}

/** Pictures a second of session.run alone: the best of some rounds. */
async function bare() {
  const batch = 8;
  const session = await createSession(values.file, compute);
  const input = { shape: [batch, 3, 224, 224], data: new Float32Array(batch * 3 * 224 * 224).fill(0.5) };
  session.run(input);
  let best = 0;
  const cpu = cpuMilliseconds();
  for (let round = 0; round < 5; round++) {
    const start = performance.now();
    for (let i = 0; i < 10; i++) session.run(input);
    best = Math.max(best, (10 * batch * 1000) / (performance.now() - start));
  }
  session.dispose();
  process.send({ perSecond: best, cpu: (cpuMilliseconds() - cpu) / (5 * 10 * batch) });
}

/** Of this process so far. */
function cpuMilliseconds() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

async function measure() {
  const folder = mkdtempSync(join(tmpdir(), "repvgg-serve-"));
  try {
    const file = join(folder, "net.safetensors");
    await saveModel(fold(repvgg(values.net, { inputSize: 224 })), file);
    const before = await told(start("bare", file));
    const server = start("server", file);
    const { port, by, kernels } = await told(server);
    const picture = await photograph();
    const load = await underLoad(server, port, picture);
    const memory = await memoryOf(server);
    server.kill();
    const after = await told(start("bare", file));
    const bareRate = Math.max(before.perSecond, after.perSecond);
    const mebibytes = (bytes) => `${(bytes / 2 ** 20).toFixed(0)} MiB`;
    console.log(`${values.net} at 224 × 224, ${kernels}, ${by}, ${values.clients} clients, ${load.answered} answers`);
    console.log(
      `peak RSS          ${mebibytes(memory.peak)} (at the end ${mebibytes(memory.rss)}; at each tenth ${load.rss.map(mebibytes).join(", ")})`,
    );
    console.log(
      `/ping             p50 ${load.ping(0.5)} ms, p99 ${load.ping(0.99)} ms, max ${load.ping(1)} ms (${load.pings} of them)`,
    );
    console.log(`throughput        ${load.perSecond.toFixed(1)} pictures/s`);
    console.log(
      `bare session.run  ${bareRate.toFixed(1)} pictures/s in batches of 8: ${((100 * load.perSecond) / bareRate).toFixed(0)} %`,
    );
    const milliseconds = (value) => `${value.toFixed(2)} ms`;
    console.log(
      `processor time    ${milliseconds(load.serverCpu)} a picture (${values.picture}) in the server, ${milliseconds(load.clientsCpu)} in the clients; bare ${milliseconds(Math.min(before.cpu, after.cpu))}`,
    );
  } finally {
    rmSync(folder, { recursive: true });
  }

  async function underLoad(server, port, picture) {
    const agent = new Agent({ keepAlive: true, maxSockets: Number(values.clients) });
    const total = Number(values.requests);
    const times = [];
    const tenth = Math.ceil(total / 10);
    const rss = [];
    let sent = 0;
    let done = 0;
    const watch = (async () => {
      const own = new Agent({ keepAlive: true });
      while (done < total) {
        const begin = performance.now();
        await ask(port, "GET", "/ping", own);
        times.push(performance.now() - begin);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      own.destroy();
    })();
    const client = async () => {
      while (sent++ < total) {
        await ask(port, "POST", "/classify", agent, picture);
        if (++done % tenth === 0) rss.push((await memoryOf(server)).rss);
      }
    };
    await Promise.all(
      Array.from({ length: Number(values.clients) }, () => ask(port, "POST", "/classify", agent, picture)),
    );
    const begin = performance.now();
    const [serverBefore, clientsBefore] = [(await memoryOf(server)).cpu, cpuMilliseconds()];
    await Promise.all([...Array.from({ length: Number(values.clients) }, client), watch]);
    const seconds = (performance.now() - begin) / 1000;
    const serverCpu = ((await memoryOf(server)).cpu - serverBefore) / done;
    const clientsCpu = (cpuMilliseconds() - clientsBefore) / done;
    agent.destroy();
    times.sort((a, b) => a - b);
    const ping = (share) => times[Math.min(times.length - 1, Math.floor(share * times.length))].toFixed(1);
    return { answered: done, perSecond: done / seconds, ping, pings: times.length, rss, serverCpu, clientsCpu };
  }
}

function start(role, file) {
  const { role: _, file: __, ...rest } = values;
  const args = Object.entries({ ...rest, role, file }).flatMap(([name, value]) => [`--${name}`, value]);
  return fork(fileURLToPath(import.meta.url), args);
}

function memoryOf(server) {
  server.send("memory");
  return told(server);
}

function told(child) {
  return new Promise((resolve, reject) => {
    const ended = (code) => reject(new Error(`the process ended with code ${code}`));
    child.once("exit", ended);
    child.once("message", (message) => {
      child.off("exit", ended);
      resolve(message);
    });
  });
}

/** JPEG: soft colours with some grain. */
async function photograph() {
  const [width, height] = values.picture.split("x").map(Number);
  const data = new Uint8Array(width * height * 3).map((_, i) => {
    const [x, y, c] = [Math.floor(i / 3) % width, Math.floor(i / 3 / width), i % 3];
    return 128 + 60 * Math.sin(x / (20 + 9 * c)) * Math.cos(y / (15 + 4 * c)) + ((i * 7919) % 23);
  });
  return sharp(data, { raw: { width, height, channels: 3 } })
    .jpeg({ quality: 85 })
    .toBuffer();
}

function ask(port, method, path, agent, body) {
  return new Promise((resolve, reject) => {
    const headers = body ? { "Content-Type": "image/jpeg", "Content-Length": body.length } : {};
    const sending = request({ host: "127.0.0.1", port, method, path, agent, headers }, (response) => {
      const parts = [];
      response.on("data", (part) => parts.push(part));
      response.on("end", () => {
        if (response.statusCode === 200) resolve();
        else reject(new Error(`status ${response.statusCode}: ${Buffer.concat(parts)}`));
      });
    });
    sending.on("error", reject);
    sending.end(body);
  });
}
