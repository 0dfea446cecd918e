import { cpSync, existsSync, mkdirSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { getHFHubCachePath } from "@huggingface/hub";
import { expect, it } from "vitest";
import { hubCacheFolder } from "#repvgg/hub/stored-nets.node.js";
import { clearCache, listCache, pull } from "#repvgg/index.js";
import { oneLine, repvgg, repvggJson } from "../cli/support.js";
import { fakeHub, serve } from "./fake-hub.js";
import { environment, safetensors, testFolder, timmConfig, tiny } from "./support.js";

const repo = "timm/repvgg_mini.rvgg_in1k";
const weights = safetensors(tiny());

/** A cache with a net of the hub, one from elsewhere, and what belongs to others. */
async function filled(): Promise<{ hub: string; others: readonly string[] }> {
  const { url } = await fakeHub({ [repo]: { files: { "config.json": timmConfig(), "model.safetensors": weights } } });
  const home = testFolder();
  environment({ HF_ENDPOINT: url, HF_HOME: home, REPVGG_CACHE: testFolder() });
  await pull(repo);
  const elsewhere = await serve((_, response) => response.end(weights));
  await pull(`${elsewhere}/net.safetensors`);
  const hub = join(home, "hub");
  const other = join(hub, "models--bert--base", "snapshots", "0".repeat(40));
  mkdirSync(other, { recursive: true });
  writeFileSync(join(other, "config.json"), '{"architecture": "bert"}');
  cpSync(join(hub, "models--timm--repvgg_mini.rvgg_in1k"), join(hub, "datasets--a--b"), { recursive: true });
  cpSync(join(hub, "models--timm--repvgg_mini.rvgg_in1k"), join(hub, "models--strange--layout"), { recursive: true });
  writeFileSync(join(hub, "models--strange--layout", "notes.txt"), "mine");
  symlinkSync(join(hub, "models--timm--repvgg_mini.rvgg_in1k"), join(hub, "models--linked--net"));
  const others = ["models--bert--base", "datasets--a--b", "models--strange--layout"];
  return { hub, others: others.map((name) => join(hub, name)) };
}

it("lists what this package reads, and removes that and nothing else", async () => {
  const { hub, others } = await filled();
  const { nets, bytes, others: beside } = await listCache();
  expect(nets.map(({ name, from }) => `${from} ${name}`).sort()).toEqual([`hub ${repo}`, "url net.safetensors"]);
  expect(beside).toBe(4);
  expect(bytes).toBe(nets.reduce((sum, net) => sum + net.bytes, 0));
  for (const net of nets) expect(net.bytes).toBeGreaterThanOrEqual(weights.length);
  const [one] = (await listCache({ name: repo })).nets;
  expect((await clearCache([one!])).map(({ name }) => name)).toEqual([repo]);
  expect((await listCache()).nets.map(({ name }) => name)).toEqual(["net.safetensors"]);
  expect(await clearCache([{ path: hub }, { path: others[0]! }])).toEqual([]);
  await clearCache();
  expect((await listCache()).nets).toEqual([]);
  for (const path of others) expect(existsSync(path)).toBe(true);
});

it("knows ages, and where the hub's libraries keep their cache", async () => {
  const { hub } = await filled();
  expect(hub).toBe(hubCacheFolder());
  expect((await listCache({ olderThanDays: 1 })).nets).toEqual([]);
  const [net] = (await listCache({ name: "net.safetensors" })).nets;
  const old = new Date(Date.now() - 3 * 86_400_000);
  const { readdirSync } = await import("node:fs");
  for (const entry of readdirSync(net!.path, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) utimesSync(join(entry.parentPath, entry.name), old, old);
  }
  expect((await listCache({ olderThanDays: 1 })).nets.map(({ name }) => name)).toEqual(["net.safetensors"]);
  await expect(listCache({ olderThanDays: -1 })).rejects.toThrow(/^expected a number of days from 0/);
  await expect(listCache({ name: "timm/repvgg_mini.rvgg_in1" })).rejects.toThrow(`did you mean ${repo}?`);
  expect(hubCacheFolder()).toBe(getHFHubCachePath());
});

it("repvgg cache lists, and clears where it is told yes", async () => {
  await filled();
  const { code, stdout } = await repvgg(["cache", "list"]);
  expect([code, stdout]).toEqual([
    0,
    expect.stringMatching(/timm\/repvgg_mini\.rvgg_in1k.*KiB.*today[\s\S]*4 other things/),
  ]);
  const refused = await repvgg(["cache", "clear", repo]);
  expect([refused.code, refused.stderr]).toEqual([
    1,
    expect.stringMatching(/^repvgg: expected --yes to remove 1 net \(.*\), received nobody to ask: repvgg cache list/),
  ]);
  expect((await listCache()).nets).toHaveLength(2);
  const cleared = await repvggJson<{ removed: { name: string }[] }>(["cache", "clear", repo, "--yes"]);
  expect(cleared.removed.map(({ name }) => name)).toEqual([repo]);
  expect(await repvgg(["cache", "clear", "--older-than", "2", "--yes"])).toEqual({
    ...oneLine(""),
    code: 0,
    stdout: "nothing to remove\n",
    stderr: "",
  });
});
