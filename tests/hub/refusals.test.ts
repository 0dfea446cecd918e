import { beforeEach, describe, expect, test } from "vitest";
import { UserError } from "#repvgg/core/errors.js";
import { pull } from "#repvgg/index.js";
import { type FakeRepo, fakeHub } from "./fake-hub.js";
import { environment, safetensors, testFolder, timmConfig, tiny } from "./support.js";

const good: FakeRepo = { files: { "config.json": timmConfig(), "model.safetensors": safetensors(tiny()) } };
const without = (name: string) => new Map([...tiny()].filter(([key]) => key !== name));

describe("one line for what cannot be pulled", () => {
  let hub: Awaited<ReturnType<typeof fakeHub>>;

  beforeEach(async () => {
    hub = await fakeHub({
      "timm/good": good,
      "me/private": { ...good, private: true },
      "me/gated": { ...good, gated: true },
      "me/empty": { files: { "README.md": Buffer.from("x") } },
      "me/resnet": {
        files: { "config.json": timmConfig({ architecture: "resnet18" }), "model.safetensors": new Uint8Array(9) },
      },
      "me/other": {
        files: { "model.safetensors": safetensors(new Map([["linear.weight", tiny().get("linear.weight")!]])) },
      },
      "me/part": { files: { "model.safetensors": safetensors(without("stage2.1.rbr_1x1.conv.weight")) } },
      "me/classes": { files: { ...good.files, "config.json": timmConfig({ num_classes: 1000 }) } },
      "me/a0": { files: { ...good.files, "config.json": timmConfig({ architecture: "repvgg_a0" }) } },
      "me/json": { files: { ...good.files, "config.json": Buffer.from("{") } },
      "me/huge": { ...good, claimedSizes: { "model.safetensors": 4e15 } },
      "me/garbage": { files: { "model.safetensors": Buffer.from("not a model at all") } },
    });
    environment({ HF_ENDPOINT: hub.url, HF_HOME: testFolder() });
  });

  const refusal = async (address: string, options = {}): Promise<string> => {
    const error = await pull(address, options).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(UserError);
    const { message } = error as UserError;
    expect(message).not.toMatch(/\n/);
    return message.replaceAll(hub.url, "HUB");
  };

  test.each([
    [
      "me/nowhere",
      /^expected a repository me\/nowhere that everybody may read, received HTTP status 401 \(unauthorized\): check the name; for a private repository set HF_TOKEN$/,
    ],
    ["me/private", /set HF_TOKEN$/],
    [
      "me/gated",
      /^expected leave to read me\/gated, received HTTP status 403 \(access is granted on request\): ask for access at HUB\/me\/gated/,
    ],
    [
      "me/empty",
      /^expected model\.safetensors or pytorch_model\.bin in me\/empty, received no such file at revision main: see HUB\/me\/empty\/tree\/main; name another/,
    ],
    ["me/resnet", /^expected a RepVGG in me\/resnet, received architecture "resnet18": .*ONNX/],
    ["me/other", /RepVGG/],
    ["me/part", /stage2\.1\.rbr_1x1\.conv\.weight/],
    ["me/classes", /^expected weights for the 1000 classes of me\/classes's config\.json, received 10 classes/],
    ["me/a0", /^expected the weights of A0, as me\/a0's config\.json says, received another net: depths 1, 2, 4, 1/],
    ["me/json", /^expected a JSON object in config\.json/],
    ["me/huge", /^expected 4,000,000,000 MB of free space in .*, received .* MB: free some, or set HF_HOME/],
    ["me/garbage", /safetensors/],
    ["timm/good:other.pth", /^expected other\.pth in timm\/good, received no such file/],
    ["repvgg_a0", /^expected owner\/name, .*received "repvgg_a0": for example timm\/repvgg_a0\.rvgg_in1k$/],
    ["timm/good:../x.pth", /^expected a weights file of the repository/],
  ])("%s", async (address, message) => {
    expect(await refusal(address)).toMatch(message);
  });

  test("what is no RepVGG is refused before its weights are downloaded", async () => {
    await refusal("me/resnet");
    expect(hub.bodies()).toEqual([]);
  });

  test("revision, token, endpoint, network, cache", async () => {
    expect(await refusal("timm/good", { revision: "v9" })).toBe(
      'expected a revision of timm/good, received "v9": see the branches and tags at HUB/timm/good/tree/main',
    );
    expect(await refusal("timm/good", { revision: "../x" })).toMatch(/^expected a branch, tag or commit/);
    expect(await refusal("me/nowhere", { token: "hf_secret" })).toMatch(
      /^expected a repository at HUB\/me\/nowhere, received HTTP status 404 \(not found\): check owner and name$/,
    );
    expect(await refusal("timm/good", { token: "hf_old" })).toMatch(/this HF_TOKEN may read.*still valid$/);
    expect(await refusal("timm/good", { token: "secret" })).toBe(
      'expected a token that begins with "hf_" in HF_TOKEN, received another text',
    );
    expect(await refusal("timm/good", { endpoint: "hub" })).toBe('expected a URL in HF_ENDPOINT, received "hub"');
    expect(await refusal("timm/good", { endpoint: "http://127.0.0.1:59" })).toBe(
      "expected to reach http://127.0.0.1:59, received a refused connection: check the network, set HF_ENDPOINT to a mirror, or use --offline for what is in the cache",
    );
    expect(await refusal("timm/good", { offline: true })).toMatch(
      /^expected timm\/good at revision main in the cache, received nothing in .*models--timm--good: pull it once without --offline$/,
    );
  });

  test("a connection that always breaks is given up", async () => {
    hub.faults.cut = { after: 0, times: 100 };
    expect(await refusal("timm/good")).toMatch(
      /^expected \d+ bytes of model\.safetensors, received 0, then .*: run it again: it goes on where it stopped$/,
    );
  });

  test("a cache that cannot be written", async () => {
    environment({ HF_ENDPOINT: hub.url, HF_HOME: "/dev/null/x" });
    expect(await refusal("timm/good")).toMatch(/^expected to write .*, received a file where a folder should be/);
  });
});
