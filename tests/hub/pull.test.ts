import { spawn } from "node:child_process";
import { lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { scanCacheDir } from "@huggingface/hub";
import { describe, expect, onTestFinished, test } from "vitest";
import { writeTorchFile } from "#repvgg/formats/torch/file.node.js";
import { loadModel, pull, saveModel } from "#repvgg/index.js";
import { oraclePath } from "../formats/fixtures.js";
import { commit, type FakeRepo, fakeHub, gitSha1, sendBytes, serve, sha256 } from "./fake-hub.js";
import { environment, safetensors, testFolder, timmConfig, tiny } from "./support.js";

const repo = "timm/repvgg_mini.rvgg_in1k";
const weights = safetensors(tiny());
const published: FakeRepo = {
  files: { "config.json": timmConfig(), "model.safetensors": weights, "README.md": Buffer.from("# card") },
  license: "mit",
};

/** A hub with the published model, and an empty cache. */
async function setUp(repos: Record<string, FakeRepo> = { [repo]: published }) {
  const hub = await fakeHub(repos);
  const home = testFolder();
  environment({ HF_ENDPOINT: hub.url, HF_HOME: home });
  const folder = join(home, "hub", `models--${repo.replace("/", "--")}`);
  return { hub, home, folder, blobs: join(folder, "blobs") };
}

describe("pull", () => {
  test("a timm model becomes ours: weights, structure, preprocessing, provenance", async () => {
    const { hub } = await setUp();
    const { model, remarks } = await pull(repo);
    expect([...model.state].map(([name, { data }]) => [name, [...data]])).toEqual(
      [...tiny()].map(([name, { data }]) => [name, [...data]]),
    );
    expect(model.form).toBe("train");
    expect(model.architecture).toMatchObject({ depths: [1, 2, 4, 1], widths: [8, 8, 16, 32, 64], classes: 10 });
    expect(model.metadata.preprocessing).toEqual({
      size: [32, 48],
      channels: 3,
      mean: [0.485, 0.456, 0.406],
      std: [0.229, 0.224, 0.225],
      interpolation: "bilinear",
      cropRatio: 0.875,
    });
    expect(model.metadata.provenance).toEqual({
      repository: repo,
      revision: "main",
      commit,
      file: "model.safetensors",
      url: `${hub.url}/${repo}/resolve/${commit}/model.safetensors`,
      sha256: sha256(weights),
      license: "mit",
    });
    expect(remarks).toEqual([
      "weights do not show strides: assumed 2, 2, 2, 2, 2 (first block of each stage)",
      "the weights do not say BatchNorm's ε: assumed 1e-5, PyTorch's default; --bn-eps says another (nets from TensorFlow and YOLO have 0.001)",
      "no class names are known: classes are numbers",
    ]);
    const file = join(testFolder(), "model.safetensors");
    await saveModel(model, file);
    expect(await loadModel(file)).toEqual(model);
  });

  test("the cache is laid out as the hub's own libraries do; a second pull downloads nothing", async () => {
    const { hub, home, folder } = await setUp();
    const { path } = await pull(repo);
    expect(readFileSync(join(folder, "refs", "main"), "utf8")).toBe(commit);
    const snapshot = join(folder, "snapshots", commit);
    expect(path).toBe(join(snapshot, "model.safetensors"));
    expect(readlinkSync(path)).toBe(join("..", "..", "blobs", sha256(weights)));
    expect(readdirSync(join(folder, "blobs")).sort()).toEqual([sha256(weights), gitSha1(timmConfig())].sort());
    const { repos, warnings } = await scanCacheDir(join(home, "hub"));
    expect(warnings).toEqual([]);
    expect(repos.map(({ id, revisions }) => [id.name, revisions[0]!.commitOid, revisions[0]!.refs])).toEqual([
      [repo, commit, ["main"]],
    ]);
    expect(hub.bodies()).toEqual([undefined]);
    await pull(repo);
    expect(hub.bodies()).toEqual([undefined]);
  });

  test("offline, the cache gives the same, and nobody is asked", async () => {
    const { hub } = await setUp();
    const online = await pull(repo);
    const asked = hub.seen.length;
    const offline = await pull(repo, { offline: true });
    expect(offline.model.state).toEqual(online.model.state);
    expect(offline.model.metadata).toEqual(online.model.metadata);
    process.env["HF_HUB_OFFLINE"] = "1";
    await pull(repo, { revision: commit });
    expect(hub.seen.length).toBe(asked);
  });

  test("the token goes to the hub and to nobody else", async () => {
    const { hub } = await setUp({ [repo]: { ...published, private: true } });
    process.env["HF_TOKEN"] = "hf_secret";
    await pull(repo);
    const sent = (server: string) =>
      new Set(hub.seen.filter((request) => request.server === server).map(({ authorization }) => authorization));
    expect(sent("hub")).toEqual(new Set(["Bearer hf_secret"]));
    expect(sent("cdn")).toEqual(new Set([undefined]));
  });

  test("pytorch_model.bin where there is no safetensors, and a file by its name", async () => {
    const bin = join(testFolder(), "x.bin");
    await writeTorchFile(bin, tiny());
    const files = { "config.json": timmConfig(), "pytorch_model.bin": readFileSync(bin) };
    const other = { "weights/RepVGG.pth": readFileSync(oraclePath("tiny-deploy.pth")) };
    await setUp({ [repo]: { files: { ...files, ...other } } });
    expect((await pull(repo)).model.metadata.provenance["file"]).toBe("pytorch_model.bin");
    const plain = await pull(`${repo}:weights/RepVGG.pth`);
    expect([plain.model.form, plain.model.metadata.provenance["file"]]).toEqual(["plain", "weights/RepVGG.pth"]);
  });

  test("a revision, also with a slash in its name", async () => {
    const { folder } = await setUp({ [repo]: { ...published, refs: ["refs/pr/1"] } });
    const { model } = await pull(repo, { revision: "refs/pr/1" });
    expect(model.metadata.provenance["revision"]).toBe("refs/pr/1");
    expect(readFileSync(join(folder, "refs", "refs", "pr", "1"), "utf8")).toBe(commit);
    await pull(repo, { revision: "refs/pr/1", offline: true });
  });

  test("a model file of ours keeps what it knows", async () => {
    await setUp();
    const { model } = await pull(repo);
    const file = join(testFolder(), "ours.safetensors");
    const classNames = "abcdefghij".split("");
    const provenance = { trainedOn: "letters" };
    await saveModel({ ...model, metadata: { ...model.metadata, classNames, provenance } }, file);
    await setUp({ "me/mine": { files: { "model.safetensors": readFileSync(file) }, license: "apache-2.0" } });
    const pulled = await pull("me/mine");
    expect(pulled.model.metadata.classNames).toEqual(classNames);
    expect(pulled.model.metadata.provenance).toMatchObject({ trainedOn: "letters", license: "apache-2.0", commit });
    expect(pulled.remarks).toEqual([]);
  });
});

describe("a broken download", () => {
  test("goes on where it stopped, within a pull", async () => {
    const { hub, blobs } = await setUp();
    hub.faults.cut = { after: 100_000, times: 2 };
    const progress: number[] = [];
    await pull(repo, { onBytes: (file, done) => file === "model.safetensors" && progress.push(done) });
    const [first, second, third, ...more] = hub.bodies();
    expect([first, more]).toEqual([undefined, []]);
    expect([second, third]).toEqual([`bytes=100000-${weights.length - 1}`, `bytes=200000-${weights.length - 1}`]);
    expect([progress[0], progress.at(-1)]).toEqual([0, weights.length]);
    expect(progress).toEqual([...progress].sort((a, b) => a - b));
    expect(readdirSync(blobs).filter((name) => name.endsWith(".incomplete"))).toEqual([]);
  });

  test("goes on in the next pull", async () => {
    const { hub, blobs } = await setUp();
    const stop = new AbortController();
    const stopped = pull(repo, { signal: stop.signal, onBytes: (_file, done) => done > 50_000 && stop.abort() });
    await expect(stopped).rejects.toThrow(/abort/i);
    const [partial] = readdirSync(blobs).filter((name) => name.endsWith(".incomplete"));
    const { size } = lstatSync(join(blobs, partial!));
    expect(size).toBeGreaterThan(50_000);
    await pull(repo);
    expect(hub.bodies().at(-1)).toBe(`bytes=${size}-${weights.length - 1}`);
  });

  test("is taken over from a process that has gone, not from one that runs", async () => {
    const { hub, blobs } = await setUp();
    const gone = spawn(process.execPath, ["-e", ""]);
    await new Promise((resolve) => gone.once("close", resolve));
    const partial = (pid: number) =>
      join(blobs, `${sha256(weights)}.${hostname().replace(/[^\w-]/g, "_")}.${pid}.0123abcd.0.incomplete`);
    mkdirSync(blobs, { recursive: true });
    writeFileSync(partial(gone.pid!), weights.subarray(0, 1000));
    writeFileSync(partial(process.ppid), weights.subarray(0, 2000));
    await pull(repo);
    expect(hub.bodies()).toEqual([`bytes=1000-${weights.length - 1}`]);
    expect(readdirSync(blobs).filter((name) => name.endsWith(".incomplete"))).toEqual([
      partial(process.ppid).slice(blobs.length + 1),
    ]);
  });

  test("whose beginning is damaged begins anew", async () => {
    const { hub, blobs } = await setUp();
    hub.faults.cut = { after: 1000, times: 1 };
    hub.faults.damage = true;
    const first = await pull(repo).catch((error: Error) => error.message);
    expect(first).toMatch(
      /^expected model\.safetensors of \d+ bytes with sha256 [0-9a-f]{64}, received [0-9a-f]{64}: /,
    );
    expect(readdirSync(blobs)).toEqual([gitSha1(timmConfig())]);
    hub.faults.damage = false;
    const stop = new AbortController();
    await pull(repo, { signal: stop.signal, onBytes: (_f, done) => done > 20_000 && stop.abort() }).catch(() => {});
    const partial = join(blobs, readdirSync(blobs).find((name) => name.endsWith(".incomplete"))!);
    writeFileSync(partial, readFileSync(partial).fill(7, 0, 10));
    await pull(repo);
    expect(hub.bodies().slice(-2)).toEqual([expect.stringMatching(/^bytes=\d{4,}-/), undefined]);
  });

  test("a busy hub is asked again", async () => {
    const { hub } = await setUp();
    hub.faults.busy = 1;
    expect((await pull(repo)).model.architecture.classes).toBe(10);
  });

  test("a damaged file in the cache is got again; offline it is refused", async () => {
    const { hub, blobs } = await setUp();
    await pull(repo);
    const blob = join(blobs, sha256(weights));
    writeFileSync(blob, weights.subarray(0, 5000));
    await expect(pull(repo, { offline: true })).rejects.toThrow(/damaged content: pull it again with a network$/);
    await pull(repo);
    expect(hub.bodies().length).toBe(2);
    expect(sha256(readFileSync(blob))).toBe(sha256(weights));
  });
});

test("several pulls at once do not disturb each other", async () => {
  const { hub, blobs } = await setUp();
  hub.faults.cut = { after: 50_000, times: 6 };
  const script = `import { pull } from ${JSON.stringify(new URL("../../dist/index.js", import.meta.url).href)};
    await Promise.all([pull(process.argv[1]), pull(process.argv[1])]);`;
  const other = spawn(process.execPath, ["--input-type=module", "-e", script, repo], { stdio: "inherit" });
  onTestFinished(() => void other.kill());
  const ended = new Promise((resolve) => other.once("close", resolve));
  const pulled = await Promise.all([pull(repo), pull(repo), pull(repo)]);
  expect(await ended).toBe(0);
  for (const { model } of pulled) expect(model.state).toEqual(pulled[0]!.model.state);
  expect(readdirSync(blobs).sort()).toEqual([sha256(weights), gitSha1(timmConfig())].sort());
  expect(sha256(readFileSync(join(blobs, sha256(weights))))).toBe(sha256(weights));
  await pull(repo, { offline: true });
});

describe("URLs", () => {
  const pth = readFileSync(oraclePath("tiny-train.pth"));
  const name = `RepVGG-tiny-${sha256(pth).slice(0, 8)}.pth`;

  test("a file of the hub's site is a file of its repository", async () => {
    const { hub } = await setUp();
    const { model } = await pull(`${hub.url}/${repo}/resolve/${commit}/model.safetensors?download=true`);
    expect(model.metadata.provenance).toMatchObject({ repository: repo, revision: commit });
    expect((await pull(`${hub.url}/${repo}`)).model.metadata.provenance["revision"]).toBe("main");
  });

  test.each([
    ["with", true],
    ["without", false],
  ])("a file on a server %s ranges, resumed, without the token, then offline", async (_title, ranges) => {
    environment({ REPVGG_CACHE: testFolder(), HF_TOKEN: "hf_secret" });
    const faults = { cut: { after: 90_000, times: 1 } };
    const seen: (string | undefined)[] = [];
    const url = `${await serve((request, response) => {
      seen.push(request.headers.authorization);
      const probe = request.headers.range === "bytes=0-0";
      if (!ranges) delete request.headers.range;
      sendBytes(request, response, pth, '"v1"', probe ? {} : faults);
    })}/files/${name}`;
    const { model, remarks } = await pull(url);
    expect(model.metadata.provenance).toEqual({ url, file: name, sha256: sha256(pth) });
    expect(remarks.at(-1)).toMatch(/^the file does not say how pictures are prepared: assumed 224×224/);
    expect(seen).toEqual([undefined, undefined, undefined]); // probe, broken, rest
    const asked = seen.length;
    expect((await pull(url, { offline: true })).model).toEqual(model);
    expect(seen.length).toBe(asked);
  });

  test("a file that is not what its name says is refused", async () => {
    environment({ REPVGG_CACHE: testFolder() });
    const url = await serve((request, response) => sendBytes(request, response, pth, '"v1"', { damage: true }));
    await expect(pull(`${url}/${name}`)).rejects.toThrow(/with sha256 [0-9a-f]{8}, received [0-9a-f]{64}: /);
    await expect(pull(`${url}/offline.pth`, { offline: true })).rejects.toThrow(/in the cache, received nothing in/);
  });
});
