import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect } from "vitest";
import { loadModel, predict } from "#repvgg/index.js";
import { writePictures } from "../../scripts/fashion-pictures.mjs";
import { openPage } from "../browser/support.js";
import { root } from "../pack.js";
import { MlflowServer, type TrackedRun } from "./mlflow-server.js";
import { copyExample, exampleReadme, runLine, type Surroundings, shellLines, startServer } from "./support.js";

/** How an example's dependencies come into its folder: by the first line of its README, or without a registry. */
export type Install = (folder: string, line: string) => Promise<void> | void;

export const sample = join(root, "assets/samples/horses.jpg");
const model = join(root, "assets/models/cifar10/plain.safetensors");

/** What this checkout's own library says of the sample. */
/** What may be answered: on native kernels, and on WebAssembly where the platform's package is not installed (that of this checkout is on no registry). */
async function expected() {
  const net = await loadModel(model);
  return Promise.all(
    [undefined, "wasm" as const].map((kernels) => predict(net, sample, { top: 3, ...(kernels && { kernels }) })),
  );
}

/** A server's README followed: installed, started, asked by the curl line as it stands, and asked wrongly. */
export async function serverAnswers(name: string, install: Install, surroundings: Surroundings = {}): Promise<void> {
  const folder = copyExample(name);
  const [installing, starting, asking] = shellLines(exampleReadme(name)) as [string, string, string];
  await install(folder, installing);
  const { url } = await startServer(starting, folder, surroundings);
  await answersAsCurlAsks(asking, url);
}

/** Asks a running server as a curl line does: with its header, for its path. */
export async function answersAsCurlAsks(line: string, url: string): Promise<void> {
  const [, name, value] = /-H "([\w-]+): ([^"]+)"/.exec(line)!;
  const address = new URL(new URL(/http:\/\/localhost:3000(\S*)/.exec(line)![0]).pathname, url);
  expect(line).toContain("--data-binary @picture.jpg");
  const post = (body: Uint8Array<ArrayBuffer>) =>
    fetch(address, { method: "POST", headers: { [name!]: value! }, body });

  const answer = await post(new Uint8Array(readFileSync(sample)));
  expect(answer.status).toBe(200);
  expect(await expected()).toContainEqual(await answer.json());

  const refused = await post(new TextEncoder().encode("no picture"));
  expect(refused.status).toBe(400);
  expect((await refused.json()).error).toMatch(/^expected a JPEG, .* received the picture \(text, not a picture\): /);
  const empty = await fetch(address, { method: "POST", headers: { [name!]: value! } });
  expect(empty.status).toBe(400);
  expect((await empty.json()).error).toMatch(/^expected .*, received .*: /);
}

/** A page's README followed: installed, built where it is built, served, and used in the browser. */
export async function pageAnswers(name: string, install: Install, best: RegExp): Promise<void> {
  const folder = copyExample(name);
  const [installing, ...lines] = shellLines(exampleReadme(name));
  await install(folder, installing!);
  const serving = lines.pop()!;
  for (const line of lines) await runLine(line, folder);
  // Vite's own servers take no PORT.
  const { url } = await startServer(
    /preview/.test(serving) ? `${serving} -- --port 0 --host 127.0.0.1` : serving,
    folder,
  );
  const { page, errors, close } = await openPage(url);
  const shown = async () => [await page.locator("#answer").textContent(), ...errors].join("\n");
  await expect.poll(shown, { timeout: 50_000 }).toBe("Choose a picture.");
  expect(await page.evaluate(() => crossOriginIsolated)).toBe(true);
  await page.setInputFiles("#picture", sample);
  await expect.poll(shown, { timeout: 50_000 }).toMatch(best);
  const text = join(folder, "no-picture.txt");
  writeFileSync(text, "no picture");
  await page.setInputFiles("#picture", text);
  await expect.poll(shown).toMatch(/^expected .*, received /);
  await close();
}

/** The function is called as its host calls it. */
export async function functionAnswers(install: Install): Promise<void> {
  const folder = copyExample("lambda");
  await install(folder, shellLines(exampleReadme("lambda"))[0]!);
  const script = `
    import { readFileSync } from "node:fs";
    const { handler } = await import(${JSON.stringify(pathToFileURL(join(folder, "handler.mjs")).href)});
    const event = (body, isBase64Encoded) => ({ version: "2.0", routeKey: "$default", rawPath: "/", headers: { "content-type": "image/jpeg" }, requestContext: { http: { method: "POST", path: "/" } }, body, isBase64Encoded });
    const picture = readFileSync(${JSON.stringify(sample)});
    console.log(JSON.stringify([await handler(event(picture.toString("base64"), true)), await handler(event("no picture", false)), await handler({ version: "2.0" })]));`;
  writeFileSync(join(folder, "call.mjs"), script);
  const [right, wrong, empty] = JSON.parse(await runLine("node call.mjs", folder));
  expect(right).toMatchObject({ statusCode: 200, headers: { "content-type": "application/json" } });
  expect(await expected()).toContainEqual(JSON.parse(right.body));
  expect(wrong.statusCode).toBe(400);
  expect(JSON.parse(wrong.body).error).toMatch(/^expected a JPEG, /);
  expect(empty.statusCode).toBe(400);
}

/** What the Dockerfile does, done in a folder: its files copied, its commands run, its server started with its variables and asked. */
export async function containerAnswers(install: Install): Promise<void> {
  const source = copyExample("docker");
  const work = join(source, "image");
  const lines = readFileSync(join(source, "Dockerfile"), "utf8").split("\n");
  let command: string[] = [];
  for (const line of lines.filter((text) => text.trim() !== "" && !text.startsWith("#"))) {
    const [, instruction, rest] = /^(\w+) (.*)$/.exec(line)! as unknown as [string, string, string];
    switch (instruction) {
      case "FROM":
        expect(rest).toMatch(/^node:(2[2-9]|[3-9]\d)-slim$/); // glibc, which sharp and the kernels are built for
        break;
      case "WORKDIR":
        expect(rest).toMatch(/^\//);
        await runLine(`mkdir -p ${work}`, source);
        break;
      case "COPY": {
        const [from, to] = rest.split(" ") as [string, string];
        expect(to).toBe("./");
        expect(existsSync(join(source, from)), from).toBe(true);
        await runLine(`cp ${join(source, from)} ${work}/`, source);
        break;
      }
      case "RUN":
        expect(rest).toMatch(/^npm install --omit=dev /);
        await install(work, rest);
        break;
      case "ENV":
        expect(rest).toBe("PORT=3000");
        break;
      case "EXPOSE":
        expect(rest).toBe("3000");
        break;
      case "USER":
        expect(rest).toBe("node"); // which the image has
        break;
      case "CMD":
        command = JSON.parse(rest);
        break;
      default:
        throw new Error(`an instruction that this test does not do: ${line}`);
    }
  }
  const { url } = await startServer(command.join(" "), work);
  const [building, running, asking] = shellLines(exampleReadme("docker")) as [string, string, string];
  expect(building).toBe("docker build -t classify .");
  expect(running).toBe("docker run --rm -p 3000:3000 classify");
  await answersAsCurlAsks(asking, url);
}

/** A training is followed on a server that answers as MLflow does; what its server refuses stops no training. */
export async function trackingAnswers(install: Install): Promise<void> {
  const folder = copyExample("mlflow");
  const [installing, starting] = shellLines(exampleReadme("mlflow")) as [string, string];
  await install(folder, installing);
  await writePictures(join(folder, "path/to/pictures"), { train: 100, test: 20 });
  const server = new MlflowServer();
  const url = await server.start();
  const line = starting.replace("http://localhost:5000", url);
  expect(line).not.toBe(starting);
  const said = await runLine(line, folder);
  const [run] = [...server.runs.values()] as [TrackedRun];
  expect(run).toMatchObject({ experiment: "1", name: "pictures/train", status: "FINISHED" });
  expect(run.endTime).toBeGreaterThanOrEqual(run.startTime);
  expect(Object.fromEntries(run.params)).toEqual({
    ...{ epochs: "3", batchSize: "16", learningRate: "0.03", validation: "0.2" },
  });
  // The same numbers as in the run's own log.
  const logged = (key: string) => run.metrics.filter((metric) => metric.key === key);
  const [header, ...rows] = readFileSync(join(folder, "run/metrics.csv"), "utf8").trimEnd().split("\n");
  const column = (name: string) => rows.map((row) => Number(row.split(",")[header!.split(",").indexOf(name)]));
  for (const [key, name] of [
    ["train/epoch_loss", "train_loss"],
    ["validation/loss", "validation_loss"],
    ["validation/top1", "validation_top1"],
    ["learning_rate", "learning_rate"],
  ] as const) {
    expect(
      logged(key).map(({ value, step }) => [step, value]),
      key,
    ).toEqual(column(name).map((value, i) => [column("step")[i], value]));
  }
  expect(logged("train/loss").map(({ step }) => step)).toEqual(Array.from({ length: 15 }, (_, i) => i + 1));
  expect(said).toBe(`test top-1 ${logged("test/top1")[0]!.value}\n`);

  // What the server refuses is told at the end; more metrics than one request may have go in several.
  const { mlflowRun } = await import(pathToFileURL(join(folder, "mlflow.mjs")).href);
  server.broken = 1;
  const logger = await mlflowRun({ server: `${url}/`, experiment: "repvgg", name: "again", params: { seed: 0 } });
  for (let step = 1; step <= 2500; step++) logger.onStep({ step }, 1 / step);
  const record = { step: 2500, trainLoss: Number.NaN, learningRate: 0.5, validation: null };
  logger.onEpoch(record);
  const errors: Error[] = await logger.end("KILLED", 2500, { "test/top1": undefined });
  expect(errors.map(({ message }) => message)).toEqual(["MLflow, runs/log-batch: the database is away"]);
  const second = [...server.runs.values()].at(-1)!;
  expect([second.experiment, second.status, second.params.size]).toEqual(["1", "KILLED", 0]);
  expect(second.metrics.map(({ key, step }) => `${key} ${step}`)).toEqual([
    ...Array.from({ length: 2500 }, (_, i) => `train/loss ${i + 1}`),
    "learning_rate 2500",
  ]);
  const nowhere = { server: "http://127.0.0.1:1", experiment: "repvgg", name: "none", params: {} };
  await expect(mlflowRun(nowhere)).rejects.toThrow("fetch failed");
  await expect(runLine(line, folder)).rejects.toThrow(/which holds a run/);
  expect([...server.runs.values()].at(-1)!.status).toBe("FAILED");
}
