import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type RunningSite, serveFiles } from "#repvgg/serve/static-files.node.js";

const folder = mkdtempSync(join(tmpdir(), "repvgg-site-"));
let site: RunningSite;

beforeAll(async () => {
  mkdirSync(join(folder, "public", "deep"), { recursive: true });
  mkdirSync(join(folder, "public", ".git"));
  writeFileSync(join(folder, "secret.txt"), "secret");
  writeFileSync(join(folder, "public-secret.txt"), "secret");
  writeFileSync(join(folder, "public", ".git", "config"), "secret");
  writeFileSync(join(folder, "public", "index.html"), "<p>page</p>");
  writeFileSync(join(folder, "public", "deep", "index.html"), "<p>deep</p>");
  writeFileSync(join(folder, "public", "deep", "a b+ü.js"), "export {};");
  writeFileSync(join(folder, "public", "kernels.wasm"), "wasm");
  writeFileSync(join(folder, "public", "empty.css"), "");
  symlinkSync(join(folder, "secret.txt"), join(folder, "public", "link.txt"));
  symlinkSync(folder, join(folder, "public", "up"));
  site = await serveFiles({ folders: { "/": join(folder, "public"), "/more/": join(folder, "public", "deep") } });
});
afterAll(async () => {
  await site.close();
  rmSync(folder, { recursive: true });
});

const get = (path: string, init?: RequestInit): Promise<Response> => fetch(new URL(path, site.url), init);

it.each([
  ["/", "<p>page</p>", "text/html; charset=utf-8"],
  ["/?state=1", "<p>page</p>", "text/html; charset=utf-8"],
  ["/deep/", "<p>deep</p>", "text/html; charset=utf-8"],
  ["/deep/a%20b+%C3%BC.js", "export {};", "text/javascript; charset=utf-8"],
  ["/more/a%20b+%C3%BC.js", "export {};", "text/javascript; charset=utf-8"],
  ["/kernels.wasm", "wasm", "application/wasm"],
  ["/empty.css", "", "text/css; charset=utf-8"],
])("serves %s", async (path, text, type) => {
  const response = await get(path);
  expect([response.status, await response.text(), response.headers.get("content-type")]).toEqual([200, text, type]);
  const head = await get(path, { method: "HEAD" });
  expect([head.status, await head.text(), head.headers.get("content-length")]).toEqual([200, "", `${text.length}`]);
});

it("isolates pages, unless told not to", async () => {
  const headersOf = async (url: string) => {
    const { headers } = await fetch(url);
    return ["cross-origin-opener-policy", "cross-origin-embedder-policy", "x-extra"].map((name) => headers.get(name));
  };
  expect(await headersOf(site.url)).toEqual(["same-origin", "require-corp", null]);
  const other = await serveFiles({
    folders: { "/": join(folder, "public") },
    isolated: false,
    headers: { "X-Extra": "1" },
  });
  expect(await headersOf(other.url)).toEqual([null, null, "1"]);
  await other.close();
});

it("says that a file has not changed", async () => {
  const first = await get("/kernels.wasm");
  await first.text();
  const again = await get("/kernels.wasm", { headers: { "If-None-Match": first.headers.get("etag")! } });
  expect(again.status).toBe(304);
});

/** Sends the request line as it is: fetch would tidy the path. */
function raw(target: string, method = "GET"): Promise<{ status: number; text: string }> {
  const { hostname, port } = new URL(site.url);
  return new Promise((resolve, reject) => {
    let text = "";
    const socket = connect(Number(port), hostname, () =>
      socket.write(`${method} ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`),
    );
    socket.setEncoding("utf8").on("data", (part) => {
      text += part;
    });
    socket.on("end", () => resolve({ status: Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1]), text }));
    socket.on("error", reject);
  });
}

it.each([
  "/../secret.txt",
  "/deep/../../secret.txt",
  "/%2e%2e/secret.txt",
  "/%2E%2E%2Fsecret.txt",
  "/..%2fsecret.txt",
  "/..%5csecret.txt",
  "/..\\secret.txt",
  "/..%252fsecret.txt",
  "/%c0%ae%c0%ae/secret.txt",
  "/....//secret.txt",
  "//secret.txt",
  "///etc/passwd",
  "/../public-secret.txt",
  "/more/../../secret.txt",
  "/more/..%2f..%2fsecret.txt",
  "/link.txt",
  "/up/secret.txt",
  "/.git/config",
  "/%2egit/config",
  "/index.html%00.txt",
  "/index.html/",
  "/deep",
  "/nothing",
  "/%",
  "/%zz",
  "secret.txt",
  "http://x/../secret.txt",
  "*",
  `/${"a/".repeat(5000)}`,
  `/${"a".repeat(5000)}`,
])("gives nothing away for %s", async (target) => {
  const { status, text } = await raw(target);
  expect([400, 404]).toContain(status);
  expect(text).not.toMatch(/secret$|root:/);
});

it.each(["POST", "PUT", "DELETE", "OPTIONS"])("refuses %s", async (method) => {
  expect((await raw("/", method)).status).toBe(405);
});

it("says that a port is taken", async () => {
  const port = Number(new URL(site.url).port);
  await expect(serveFiles({ folders: {}, port })).rejects.toThrow(
    `expected to listen on port ${port} of 127.0.0.1, received one that another program uses: choose another port`,
  );
});
