import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { pull } from "#repvgg/hub/pull.node.js";
import type { RunningSite } from "#repvgg/serve/static-files.node.js";
import { commit, type FakeRepo, fakeHub, sha256 } from "../hub/fake-hub.js";
import { environment, safetensors, testFolder, timmConfig, tiny } from "../hub/support.js";
import { type OpenedPage, openLibrary, startSite } from "./support.js";

const name = "timm/repvgg_mini.rvgg_in1k";
const weights = safetensors(tiny());
const repository = (more: Partial<FakeRepo> = {}): Record<string, FakeRepo> => ({
  [name]: { files: { "model.safetensors": weights, "config.json": timmConfig() }, license: "mit", ...more },
});

let site: RunningSite;
let opened: OpenedPage;
beforeAll(async () => {
  site = await startSite({
    policy: "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self' http://127.0.0.1:*",
  });
  opened = await openLibrary(site);
});
beforeEach(() => opened.page.evaluate(() => caches.delete(window.repvgg.cacheName)));
afterAll(async () => {
  await opened?.close();
  await site.close();
});

interface Asked {
  readonly hub: string;
  readonly name?: string;
  readonly cache?: "revalidate" | "first" | "off";
  readonly revision?: string;
  readonly worker?: boolean;
}

/** Loads a published net in the page. */
const load = (asked: Asked) =>
  opened.page.evaluate(
    async ({ worker = true, name: asks, ...options }) => {
      const { createEngine, createLocalEngine } = window.repvgg;
      const engine = await (worker ? createEngine : createLocalEngine)({ threads: 1 });
      const progress: { loaded: number; total: number | undefined; cached: boolean }[] = [];
      try {
        const net = await engine.load(asks!, { ...options, onProgress: (now) => progress.push(now) });
        const model = await net.model();
        const first = [...model.state.values()].map(({ data }) => Array.from(data as Float32Array).slice(0, 3));
        return {
          error: undefined,
          progress: progress.at(-1),
          metadata: { ...model.metadata, classNames: model.metadata.classNames.slice(0, 3) },
          names: [...model.state.keys()],
          first,
          notes: net.info.source.notes,
        };
      } catch (error) {
        if (!(error instanceof window.repvgg.UserError)) throw error;
        return { error: error.message, progress: progress.at(-1) };
      } finally {
        engine.dispose();
      }
    },
    { name, ...asked },
  );

describe("a published net by name", () => {
  it.each([true, false])(
    "is the model that Node pulls: weights, preprocessing, classes, provenance (worker: %s)",
    async (worker) => {
      const hub = await fakeHub(repository());
      environment({ HF_ENDPOINT: hub.url, HF_HOME: testFolder() });
      const { model, remarks } = await pull(name);
      const page = await load({ hub: hub.url, worker });
      expect(page.error).toBeUndefined();
      expect(page.metadata).toEqual({ ...model.metadata, classNames: model.metadata.classNames.slice(0, 3) });
      expect(page.metadata!.provenance).toMatchObject({
        repository: name,
        commit,
        sha256: sha256(weights),
        license: "mit",
      });
      expect(page.names).toEqual([...model.state.keys()]);
      expect(page.first).toEqual(
        [...model.state.values()].map(({ data }) => Array.from(data as Float32Array).slice(0, 3)),
      );
      for (const remark of remarks) expect(page.notes).toContain(remark);
      expect(page.progress).toEqual({ loaded: weights.length, total: weights.length, cached: false });
    },
  );

  it("is kept in the browser's store: asked for the commit only, taken without asking, or when the hub is gone", async () => {
    const hub = await fakeHub(repository());
    expect((await load({ hub: hub.url })).error).toBeUndefined();
    const bodies = hub.bodies().length;
    await expect.poll(async () => (await load({ hub: hub.url })).progress?.cached).toBe(true);
    const asked = hub.seen.length;
    expect((await load({ hub: hub.url, cache: "first" })).progress!.cached).toBe(true);
    expect(hub.seen.length).toBe(asked);
    expect(hub.bodies().length).toBe(bodies);
    hub.faults.busy = 1;
    expect((await load({ hub: hub.url })).error).toMatch(/expected an answer from .*, received HTTP status 503/);
    // Another commit with other weights is another file.
    const other = Buffer.from(weights);
    other[other.length - 1]! ^= 1;
    hub.repos.set(name, { ...hub.repos.get(name)!, head: "a".repeat(40), files: { "model.safetensors": other } });
    const moved = await load({ hub: hub.url });
    expect(moved.progress!.cached).toBe(false);
    expect(moved.metadata!.provenance["commit"]).toBe("a".repeat(40));
    expect((await load({ hub: hub.url, cache: "off" })).progress!.cached).toBe(false);
  });

  it("offline is one clear line, or what is in the store", async () => {
    const gone = await load({ hub: "http://127.0.0.1:9" });
    expect(gone.error).toBe(
      `expected the published net ${name} from http://127.0.0.1:9, or from this browser's store, received no answer, and nothing stored: check the connection; the page's Content Security Policy must allow it (connect-src http://127.0.0.1:9); to load a file of your own site write ./${name}`,
    );
    const hub = await fakeHub(repository());
    await load({ hub: hub.url });
    await expect
      .poll(() => opened.page.evaluate(async () => (await (await caches.open(window.repvgg.cacheName)).keys()).length))
      .toBe(3);
    await opened.page.route(`${hub.url}/**`, (route) => route.abort());
    const stored = await load({ hub: hub.url, worker: false });
    await opened.page.unroute(`${hub.url}/**`);
    expect(stored.error).toBeUndefined();
    expect(stored.progress!.cached).toBe(true);
  });

  it("is believed only where size and digest are right, also from the store", async () => {
    const hub = await fakeHub(repository());
    hub.faults.damage = true;
    expect((await load({ hub: hub.url })).error).toMatch(
      /model\.safetensors of \d+ bytes with sha256 .*, received another content: the file was damaged/,
    );
    hub.faults.damage = false;
    hub.repos.set(name, { ...repository()[name]!, claimedSizes: { "model.safetensors": weights.length - 1 } });
    expect((await load({ hub: hub.url })).error).toMatch(/received more bytes/);
    hub.repos.set(name, { ...repository()[name]!, claimedSizes: { "model.safetensors": 2 ** 40 } });
    expect((await load({ hub: hub.url })).error).toMatch(/at most 2147483647 bytes, which browsers can hold/);
    hub.repos.set(name, { ...repository()[name]!, claimedSizes: { "model.safetensors": -1 } });
    expect((await load({ hub: hub.url })).error).toMatch(/a size from http.*, received -1/);
    hub.repos.set(name, repository()[name]!);
    // What somebody put into the store is not believed either, and is replaced.
    const url = `${hub.url}/${name}/resolve/${commit}/model.safetensors`;
    await opened.page.evaluate(async (address) => {
      await (await caches.open(window.repvgg.cacheName)).put(address, new Response("nothing of the kind"));
    }, url);
    const mended = await load({ hub: hub.url });
    expect(mended.error).toBeUndefined();
    expect(mended.progress).toMatchObject({ cached: false, loaded: weights.length });
  });

  it("is refused in one line where there is none, it is not for everybody, or it is another net", async () => {
    const hub = await fakeHub({
      ...repository({ refs: ["v1"] }),
      "me/private": { files: {}, private: true },
      "me/gated": { files: { "model.safetensors": weights }, gated: true },
      "me/empty": { files: {} },
      "me/resnet": { files: { "model.safetensors": weights, "config.json": timmConfig({ architecture: "resnet18" }) } },
      "me/other": { files: { "weights.pth": Buffer.from("no weights"), "b.safetensors": weights } },
    });
    const refused = async (asks: string, more: Partial<Asked> = {}) =>
      (await load({ hub: hub.url, name: asks, ...more })).error;
    expect(await refused("me/none")).toMatch(
      /a published net me\/none at .*, received HTTP status 401: check the name/,
    );
    expect(await refused("me/private")).toMatch(/HTTP status 401/);
    expect(await refused("me/gated")).toMatch(/HTTP status 403/);
    expect(await refused("me/empty")).toMatch(
      /model\.safetensors or pytorch_model\.bin in me\/empty, received no such file/,
    );
    expect(await refused("me/resnet")).toMatch(/a RepVGG in me\/resnet, received architecture "resnet18"/);
    expect(await refused("me/other:weights.pth")).toMatch(/me\/other:weights\.pth/);
    expect(await refused("me/other:b.safetensors")).toBeUndefined();
    expect(await refused("me/other:../b.safetensors")).toMatch(/a weights file of the repository/);
    expect(await refused(name, { revision: "v2" })).toMatch(/a revision of .*, received "v2"/);
    expect(await refused(name, { revision: "../x" })).toMatch(/a branch, tag or commit/);
    expect(await refused(name, { revision: "v1" })).toBeUndefined();
    expect(await refused(name, { hub: "huggingface.co" })).toMatch(/a hub's address/);
    for (const line of hub.seen) expect(line.authorization).toBeUndefined();
  });

  it("is told from addresses by its form: what ends like weights or begins with ./ is an address", async () => {
    const messages = await opened.page.evaluate(async () => {
      const engine = await window.repvgg.createEngine({ threads: 1 });
      const said = (source: string): Promise<string> =>
        engine.load(source, { hub: "http://127.0.0.1:9" }).then(
          () => "",
          (error: Error) => error.message,
        );
      return Promise.all(
        ["timm/x.safetensors", "./timm/x", "/timm/x", "timm/x?v=1", "timm/x", "timm/x:a.pth"].map(said),
      );
    });
    const at = new URL("timm/", site.url).href;
    expect(messages.slice(0, 4)).toEqual([
      expect.stringContaining(`a file at ${at}x.safetensors, received HTTP status 404`),
      expect.stringContaining(`a file at ${at}x, received HTTP status 404`),
      expect.stringContaining(`a file at ${at}x, received HTTP status 404`),
      expect.stringContaining(`a file at ${at}x?v=1, received HTTP status 404`),
    ]);
    for (const message of messages.slice(4))
      expect(message).toMatch(/the published net timm\/x from http:\/\/127\.0\.0\.1:9/);
  });
});
