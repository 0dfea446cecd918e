import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parseTimmConfig } from "#repvgg/exchange/timm-config.js";
import { readSafetensors } from "#repvgg/formats/safetensors/read.js";
import {
  createClassifier,
  fold,
  repvgg as freshNet,
  type Model,
  pull,
  push,
  saveModel,
  UserError,
} from "#repvgg/index.js";
import { main, oneLine, repvgg } from "../cli/support.js";
import { commit, type FakeHub, type FakeRepo, fakeHub, tokens } from "./fake-hub.js";
import { environment, testFolder } from "./support.js";

const repo = "me/pets";
const pets = (name = "nano"): Model => freshNet(name, { classNames: ["cat", "dog", "cow"], seed: 3 });

async function setUp(repos: Record<string, FakeRepo> = {}, token = tokens.owner): Promise<FakeHub> {
  const hub = await fakeHub(repos);
  environment({ HF_ENDPOINT: hub.url, HF_HOME: testFolder(), HF_TOKEN: token });
  return hub;
}

const text = (hub: FakeHub, file: string): string => Buffer.from(hub.repos.get(repo)!.files[file]!).toString();

/** A folder as a run leaves it. */
async function runFolder(card: string): Promise<string> {
  const folder = testFolder();
  await saveModel(pets(), join(folder, "model.safetensors"));
  writeFileSync(join(folder, "README.md"), card);
  return folder;
}

describe("a push", () => {
  it("makes the repository and comes back by a pull as it was, with its licence", async () => {
    const hub = await setUp();
    const model = pets();
    const told: [string, number][] = [];
    const pushed = await push(model, repo, { license: "MIT", onFile: (file, share) => told.push([file, share]) });
    expect(pushed).toMatchObject({ created: true, license: "mit", branch: "main", url: `${hub.url}/${repo}` });
    expect(pushed.files.map(({ name, there }) => [name, there])).toEqual([
      ["model.safetensors", "nothing"],
      ["config.json", "nothing"],
      ["README.md", "nothing"],
    ]);
    expect(hub.commits).toHaveLength(1);
    expect(hub.commits[0]!.files).toEqual({
      "model.safetensors": "lfsFile",
      "config.json": "file",
      "README.md": "file",
    });
    expect(pushed.commit).toBe(hub.repos.get(repo)!.head);
    expect(told).toContainEqual(["model.safetensors", 1]);
    const { model: back } = await pull(repo);
    expect([...back.state]).toEqual([...model.state]);
    const { provenance, ...metadata } = back.metadata;
    const { provenance: _, ...before } = model.metadata;
    expect([back.architecture, back.form, metadata]).toEqual([model.architecture, "train", before]);
    expect(provenance).toMatchObject({ repository: repo, license: "mit" });
    const classifier = await createClassifier(repo);
    expect(classifier.info.classNames).toEqual(["cat", "dog", "cow"]);
    await classifier.dispose();
  });

  it.each([
    ["A0", freshNet("A0", { classNames: ["cat", "dog"], inputSize: 32 }), true],
    ["another structure", freshNet({ depths: [1, 1], widths: [8, 8, 16], strides: [1, 2, 1], classes: 2 }), false],
    ["the plain form", fold(freshNet("A0", { classes: 2, inputSize: 32 })), false],
    [
      "a net of the zoo's name with other depths",
      freshNet({ name: "A0", depths: [1, 1], widths: [8, 8, 16], classes: 2 }),
      false,
    ],
  ] as const)("has timm's names where timm has the net: %s", async (_, model, timm) => {
    const hub = await setUp();
    await push(model, repo, { license: "mit" });
    const { arrays } = readSafetensors(hub.repos.get(repo)!.files["model.safetensors"]!);
    expect([...arrays.keys()].some((name) => name.startsWith("stem.conv_kxk."))).toBe(timm);
    const config = parseTimmConfig(text(hub, "config.json"));
    expect(config).toMatchObject({ classes: 2, license: "mit" });
    expect(config.architecture).toBe(model.architecture.name === "A0" ? "repvgg_a0" : "repvgg");
    expect(text(hub, "README.md").includes(`timm.create_model("hf-hub:${repo}"`)).toBe(timm);
    const { model: back } = await pull(repo);
    expect([back.architecture, back.form]).toEqual([model.architecture, model.form]);
    expect([...back.state.keys()]).toEqual([...model.state.keys()]);
    const bytes = ({ state }: Model): Buffer =>
      Buffer.concat([...state.values()].map(({ data }) => Buffer.from(data.buffer, data.byteOffset, data.byteLength)));
    expect(Buffer.compare(bytes(back), bytes(model))).toBe(0);
  });

  it("takes a run's own card, with its licence and name, and adds ONNX where asked", async () => {
    const hub = await setUp();
    const folder = await runFolder(
      "---\n# license: name one\ntags:\n- pets\n---\n\n# Pets\n\nload OWNER/NAME, OWNER/NAME\n",
    );
    await push(folder, repo, { license: "apache-2.0", onnx: true });
    expect(text(hub, "README.md")).toBe(
      "---\nlicense: apache-2.0\ntags:\n- pets\n---\n\n# Pets\n\nload me/pets, me/pets\n",
    );
    expect(Object.keys(hub.repos.get(repo)!.files).sort()).toEqual(
      [".gitattributes", "README.md", "config.json", "model.onnx", "model.safetensors"].sort(),
    );
    expect(hub.commits[0]!.files["model.onnx"]).toBe("lfsFile");
  });

  it("writes nothing over anything unasked, and nothing that is there already", async () => {
    const hub = await setUp();
    const folder = await runFolder("---\nlicense: mit\n---\n# Pets\n");
    await push(folder, repo);
    const first = hub.repos.get(repo)!.head;
    const again = await push(folder, repo);
    expect([again.commit, again.created, again.files.map(({ there }) => there)]).toEqual([
      undefined,
      false,
      ["same", "same", "same"],
    ]);
    writeFileSync(join(folder, "README.md"), "---\nlicense: mit\n---\n# Pets, mended\n");
    const refusal = push(folder, repo);
    await expect(refusal).rejects.toThrow(UserError);
    await expect(refusal).rejects.toThrow(
      new RegExp(`received README\\.md \\(it would become 36 B\\) at commit ${first!.slice(0, 8)}: .*--force`),
    );
    expect(hub.repos.get(repo)!.head).toBe(first);
    expect((await push(folder, repo, { card: false })).commit).toBeUndefined();
    const forced = await push(folder, repo, { force: true });
    expect(forced.files.map(({ there }) => there)).toEqual(["same", "same", "other"]);
    expect(hub.commits.at(-1)).toMatchObject({ files: { "README.md": "file" }, header: { parentCommit: first } });
    expect(text(hub, "README.md")).toContain("mended");
  });

  it("sends the token to the hub alone, and leaves nothing behind on this machine", async () => {
    const hub = await setUp();
    const before = readdirSync(tmpdir()).filter((name) => name.startsWith("repvgg-push-"));
    await push(pets(), repo, { license: "mit" });
    expect(hub.seen.filter(({ server }) => server === "cdn").map(({ method }) => method)).toEqual(["PUT"]);
    for (const { server, authorization } of hub.seen) {
      expect(authorization).toBe(server === "hub" ? `Bearer ${tokens.owner}` : undefined);
    }
    expect(readdirSync(tmpdir()).filter((name) => name.startsWith("repvgg-push-"))).toEqual(before);
  });

  it("as a dry run asks nobody and needs no token", async () => {
    const hub = await setUp();
    environment({ HF_ENDPOINT: hub.url });
    const { files, commit: none } = await push(pets(), repo, { license: "mit", dryRun: true });
    expect([none, hub.seen]).toEqual([undefined, []]);
    expect(files.map(({ name, there }) => [name, there])).toEqual([
      ["model.safetensors", undefined],
      ["config.json", undefined],
      ["README.md", undefined],
    ]);
    expect(files[0]!.bytes).toBeGreaterThan(4 * 100_000);
  });
});

describe("a push is refused", () => {
  it.each([
    "pets",
    "me/",
    "/pets",
    "me/pets/more",
    "../pets",
    "me/..",
    "me/a--b",
    "me/pets.git",
    "me/-a",
    "me/a b",
    `me/${"a".repeat(97)}`,
  ])("to %j", async (name) => {
    const hub = await setUp();
    await expect(push(pets(), name, { license: "mit" })).rejects.toThrow(/^expected a repository as OWNER\/NAME/);
    expect(hub.seen).toEqual([]);
  });

  it("without a licence, or with one that the hub has not", async () => {
    const hub = await setUp();
    await expect(push(pets(), repo)).rejects.toThrow(/^expected a licence, .* received none: name one: --license mit/);
    await expect(push(pets(), repo, { license: "apache2.0" })).rejects.toThrow(/did you mean apache-2\.0\?/);
    const listed = await runFolder("---\nlicense:\n- mit\n- other\n---\n");
    await expect(push(listed, repo)).rejects.toThrow(/received none/);
    expect(hub.seen).toEqual([]);
  });

  it("without a token, with one that may only read, with a wrong one", async () => {
    const hub = await setUp();
    environment({ HF_ENDPOINT: hub.url });
    await expect(push(pets(), repo, { license: "mit" })).rejects.toThrow(
      /^expected a token .* in HF_TOKEN, received none/,
    );
    const reading = push(pets(), repo, { license: "mit", token: tokens.reader });
    await expect(reading).rejects.toThrow(
      /^expected a token that may write to me\/pets, received HTTP status 403 \(You don't have the rights/,
    );
    await expect(push(pets(), repo, { license: "mit", token: "hf_other" })).rejects.toThrow(/HTTP status 401/);
    expect(hub.repos.has(repo)).toBe(false);
  });

  it("where somebody pushed meanwhile, where the hub does not like the card, where nobody answers", async () => {
    const hub = await setUp({ [repo]: { files: {} } });
    hub.faults.overtaken = true;
    await expect(push(pets(), repo, { license: "mit" })).rejects.toThrow(
      /^expected me\/pets as it was a moment ago, received HTTP status 412/,
    );
    hub.faults.overtaken = false;
    await expect(push(pets(), repo, { license: "wtfpl" })).rejects.toThrow(
      /received HTTP status 400 \(Invalid metadata in README\.md/,
    );
    expect(hub.repos.get(repo)!.head ?? commit).toBe(commit);
    const gone = push(pets(), repo, { license: "mit", endpoint: "http://127.0.0.1:9" });
    await expect(gone).rejects.toThrow(/^expected to reach http:\/\/127\.0\.0\.1:9, received /);
  });

  it("of what is no net, or no finished run", async () => {
    await setUp();
    const folder = testFolder();
    await expect(push(folder, repo, { license: "mit" })).rejects.toThrow(/came to its end .*repvgg train --resume/);
    mkdirSync(join(folder, "run"));
    writeFileSync(join(folder, "run", "model.safetensors"), "no net");
    await expect(push(join(folder, "run"), repo, { license: "mit" })).rejects.toThrow(UserError);
    await expect(push(join(folder, "none.pth"), repo, { license: "mit" })).rejects.toThrow(UserError);
  });
});

it("repvgg push lists, pushes and refuses in a line", async () => {
  const hub = await setUp();
  const folder = await runFolder("# Pets\n");
  expect(readFileSync(main, "utf8")).toContain("#!");
  const dry = await repvgg(["push", folder, repo, "--license", "mit", "--dry-run"]);
  expect([dry.code, dry.stderr]).toEqual([0, ""]);
  expect(dry.stdout).toMatch(
    /model\.safetensors .*KiB[\s\S]*README\.md[\s\S]*nothing was pushed; .* go to me\/pets, licence mit\n$/,
  );
  expect(await repvgg(["push", folder, repo])).toEqual(
    oneLine(
      "expected a licence, which says what others may do with the net, received none: name one: --license mit, --license cc-by-4.0, … (license), or in the front matter of README.md",
    ),
  );
  const { code, stdout } = await repvgg(["push", folder, repo, "--license", "mit", "--private", "--quiet"]);
  expect([code, stdout.split("\n").at(-2)]).toEqual([
    0,
    `made ${hub.url}/${repo}, commit ${hub.repos.get(repo)!.head!.slice(0, 8)}, licence mit`,
  ]);
  expect(hub.repos.get(repo)).toMatchObject({ private: true });
  expect(text(hub, "README.md")).toBe("---\nlicense: mit\n---\n# Pets\n");
});
