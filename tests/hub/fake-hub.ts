import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";

export const commit = "7d1b1c1f0a3e5b8c9d2e4f6a8b0c1d3e5f7a9b0c";

export interface FakeRepo {
  readonly files: Record<string, Uint8Array>;
  /** Files that lie in large-file storage: `*.safetensors`, `*.bin`, `*.pth`, as the hub has it by default. */
  readonly private?: boolean;
  readonly gated?: boolean;
  readonly license?: string;
  /** Other refs than main and the commit, besides `refs`. */
  readonly refs?: readonly string[];
  /** Sizes that the server claims. */
  readonly claimedSizes?: Record<string, number>;
  /** The commit of main, where something was pushed. */
  readonly head?: string;
}

/** Who asks: the owner's token may write, the reader's may not. */
export const tokens = { owner: "hf_secret", reader: "hf_reader" };

export interface Seen {
  readonly server: "hub" | "cdn";
  readonly method: string;
  readonly path: string;
  readonly range: string | undefined;
  readonly authorization: string | undefined;
}

/** A commit as it was asked for. */
export interface SeenCommit {
  readonly repo: string;
  readonly header: { readonly summary: string; readonly parentCommit?: string };
  /** How each file came, by its name. */
  readonly files: Readonly<Record<string, "file" | "lfsFile">>;
}

/** What goes wrong with the content that is sent; may change between requests. */
export interface Faults {
  /** The connection is cut after so many bytes of each body from the CDN, so many times. */
  cut?: { after: number; times: number };
  /** Bytes are changed on their way. */
  damage?: boolean;
  /** So many answers are 503. */
  busy?: number;
  /** Somebody else pushes between the look and the commit. */
  overtaken?: boolean;
}

export interface FakeHub {
  readonly url: string;
  readonly seen: Seen[];
  readonly faults: Faults;
  readonly repos: Map<string, FakeRepo>;
  readonly commits: SeenCommit[];
  /** Ranges of the bodies that the CDN sent, probes of one byte left out. */
  bodies(): (string | undefined)[];
}

export const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
export const gitSha1 = (bytes: Uint8Array): string =>
  createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex");

const isLarge = (path: string): boolean => /\.(safetensors|bin|pth|onnx)$/.test(path);

/**
 * A hub on this machine, with the answers that huggingface.co gives to what @huggingface/hub 2.17 asks: model info,
 * paths-info, and resolve, which redirects large files to a CDN of another origin and small ones to its own resolve-cache; and to a push:
 * repos/create, preupload, the git-LFS batch with uploads to that CDN, and a commit as lines of JSON, whose card is checked.
 */
export async function fakeHub(repos: Record<string, FakeRepo>): Promise<FakeHub> {
  const seen: Seen[] = [];
  const faults: Faults = {};
  const all = new Map(Object.entries(repos));
  const contents = new Map<string, Uint8Array>();
  const commits: SeenCommit[] = [];

  const cdn = await serve((request, response) => {
    note("cdn", request);
    if (request.method === "PUT") return void upload(request, response);
    const bytes = contents.get(new URL(request.url!, "http://cdn").pathname.slice(1));
    if (!bytes) return void response.writeHead(404).end();
    sendBytes(request, response, bytes, `"${sha256(bytes)}"`, faults);
  });

  const url = await serve((request, response) => {
    note("hub", request);
    if (faults.busy) {
      faults.busy--;
      return void response.writeHead(503).end("busy");
    }
    const { pathname } = new URL(request.url!, "http://hub");
    if (request.method === "POST" && /\/(repos\/create|preupload\/\w+|objects\/batch|commit\/\w+)$/.test(pathname)) {
      return void write(request, response, pathname);
    }
    const api = /^\/api\/models\/([^/]+\/[^/]+)\/(revision|paths-info)\/([^/]+)$/.exec(pathname);
    const file = /^\/([^/]+\/[^/]+)\/resolve\/([^/]+)\/(.+)$/.exec(pathname);
    const cached = /^\/api\/resolve-cache\/models\/([^/]+\/[^/]+)\/[^/]+\/(.+)$/.exec(pathname);
    const name = (api ?? file ?? cached)?.[1] ?? "";
    const repo = all.get(name);
    const authorized = Object.values(tokens).some((token) => request.headers.authorization === `Bearer ${token}`);
    if (request.headers.authorization !== undefined && !authorized) {
      return refuse(response, 401, undefined, "Invalid credentials in Authorization header");
    }
    // Strangers are not told whether a repository is private or not there.
    if ((!repo || repo.private) && !authorized) {
      return refuse(response, 401, "RepoNotFound", "Invalid username or password.");
    }
    if (!repo) return refuse(response, 404, "RepoNotFound", "Repository not found");
    const head = repo.head ?? commit;
    const revision = decodeURIComponent((api ? api[3] : (file?.[2] ?? head))!);
    if (!["main", head, ...(repo.refs ?? [])].includes(revision)) {
      return refuse(response, 404, "RevisionNotFound", `Invalid rev id: ${revision}`);
    }
    if (api?.[2] === "revision") return json(response, modelInfo(name, repo));
    if (repo.gated && !authorized) return refuse(response, 403, "GatedRepo", "Access to this model is restricted");
    if (api) return void body(request).then((text) => json(response, pathsInfo(repo, JSON.parse(text).paths)));
    const path = (file?.[3] ?? cached?.[2])!;
    const bytes = repo.files[path];
    if (!bytes) return refuse(response, 404, "EntryNotFound", "Entry not found");
    if (cached) return sendBytes(request, response, bytes, `"${gitSha1(bytes)}"`, {});
    response.setHeader("X-Repo-Commit", head);
    if (!isLarge(path)) {
      response.setHeader("ETag", `"${gitSha1(bytes)}"`);
      const location = `/api/resolve-cache/models/${name}/${head}/${path}?etag=x`;
      return void response.writeHead(307, { Location: location }).end();
    }
    const digest = sha256(bytes);
    contents.set(digest, bytes);
    response.setHeader("X-Linked-Size", bytes.length);
    response.setHeader("X-Linked-ETag", `"${digest}"`);
    if (request.headers.accept?.includes("application/vnd.xet-fileinfo+json")) {
      response.setHeader("X-Xet-Hash", digest);
      response.setHeader(
        "Link",
        `<${url}/api/models/${name}/xet-read-token/${head}>; rel="xet-auth", <${cdn}/v1/reconstructions/${digest}>; rel="xet-reconstruction-info"`,
      );
      response.setHeader("Content-Type", "application/vnd.xet-fileinfo+json; charset=utf-8");
      return void response.end(JSON.stringify({ hash: digest }));
    }
    response.writeHead(302, { Location: `${cdn}/${digest}?X-Amz-Signature=x` }).end();
  });

  /** A body that goes to storage; it has to be what its address says. */
  async function upload(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const bytes = await bodyBytes(request);
    const oid = new URL(request.url!, "http://cdn").pathname.slice("/upload/".length);
    if (request.headers.authorization !== undefined || sha256(bytes) !== oid) return void response.writeHead(400).end();
    contents.set(oid, bytes);
    response.end();
  }

  /** What a push asks: repository, preupload, git-LFS batch, commit as lines of JSON. */
  async function write(request: IncomingMessage, response: ServerResponse, path: string): Promise<void> {
    const text = (await bodyBytes(request)).toString();
    const { authorization } = request.headers;
    if (authorization === `Bearer ${tokens.reader}`) {
      return refuse(response, 403, undefined, "You don't have the rights to write here");
    }
    if (authorization !== `Bearer ${tokens.owner}`) return refuse(response, 401, undefined, "Invalid credentials");
    if (path === "/api/repos/create") {
      const { organization, name, type, visibility } = JSON.parse(text);
      const id = `${organization}/${name}`;
      if (type !== "model" || all.has(id))
        return refuse(response, 409, undefined, "You already created this model repo");
      all.set(id, { files: { ".gitattributes": Buffer.from("") }, private: visibility === "private" });
      return json(response, { url: `${url}/${id}`, id });
    }
    const name = /^(?:\/api\/models)?\/([^/]+\/[^/]+?)(?:\.git)?\/(preupload|info|commit)\//.exec(path)?.[1] ?? "";
    const repo = all.get(name);
    if (!repo) return refuse(response, 404, "RepoNotFound", "Repository not found");
    if (path.includes("/preupload/")) {
      const files: { path: string; size: number; sample: string }[] = JSON.parse(text).files;
      const mode = (file: string): string => (isLarge(file) ? "lfs" : "regular");
      return json(response, {
        files: files.map((file) => ({ path: file.path, uploadMode: mode(file.path), shouldIgnore: false })),
      });
    }
    if (path.endsWith("/objects/batch")) {
      const objects: { oid: string; size: number }[] = JSON.parse(text).objects;
      const action = (oid: string) => ({ upload: { href: `${cdn}/upload/${oid}` } });
      return json(response, {
        transfer: "basic",
        objects: objects.map((object) =>
          contents.has(object.oid) ? object : { ...object, actions: action(object.oid) },
        ),
      });
    }
    return commitTo(name, repo, text, response);
  }

  function commitTo(name: string, repo: FakeRepo, text: string, response: ServerResponse): void {
    const lines: { key: string; value: Record<string, string> }[] = text.split("\n").map((line) => JSON.parse(line));
    const [first, ...operations] = lines;
    const header = first!.value as unknown as SeenCommit["header"];
    const head = repo.head ?? commit;
    if (faults.overtaken || (header.parentCommit !== undefined && header.parentCommit !== head)) {
      return void refuse(response, 412, undefined, "A commit has happened since. Please refresh and try again.");
    }
    const files = { ...repo.files };
    for (const { key, value } of operations) {
      const bytes =
        key === "lfsFile" ? contents.get(value.oid!) : Buffer.from(value.content!, value.encoding as "base64");
      if (!bytes)
        return void refuse(response, 400, undefined, `LFS pointer pointed to a file that does not exist: ${value.oid}`);
      files[value.path!] = bytes;
    }
    const card = files["README.md"] && Buffer.from(files["README.md"]).toString();
    if (card !== undefined && !/^---\n(.*\n)*?license: (mit|apache-2\.0|cc-by-4\.0)\n(.*\n)*?---\n/.test(card)) {
      return void refuse(
        response,
        400,
        undefined,
        'Invalid metadata in README.md. - "license" must be one of [mit, apache-2.0, ...]',
      );
    }
    const next = createHash("sha1").update(head).update(text).digest("hex");
    all.set(name, { ...repo, files, head: next, ...(card && { license: /license: (.*)/.exec(card)![1]! }) });
    const kinds = operations.map(({ key, value }) => [value.path, key]);
    commits.push({ repo: name, header, files: Object.fromEntries(kinds) });
    json(response, { success: true, commitOid: next, commitUrl: `${url}/${name}/commit/${next}`, hookOutput: "" });
  }

  function note(server: Seen["server"], { method, url, headers }: IncomingMessage): void {
    seen.push({ server, method: method!, path: url!, range: headers.range, authorization: headers.authorization });
  }
  return {
    url,
    seen,
    faults,
    repos: all,
    commits,
    bodies: () =>
      seen.filter(({ server, range }) => server === "cdn" && range !== "bytes=0-0").map(({ range }) => range),
  };
}

/** A server for one test. */
export async function serve(listener: RequestListener): Promise<string> {
  // As the hub and its CDN, for pages of other sites.
  const open: RequestListener = (request, response) => {
    response.setHeader("Access-Control-Allow-Origin", "*");
    response.setHeader("Access-Control-Expose-Headers", "X-Repo-Commit, X-Error-Code, X-Error-Message, ETag");
    if (request.method !== "OPTIONS") return listener(request, response);
    response.setHeader("Access-Control-Allow-Headers", "Content-Type");
    response.writeHead(204).end();
  };
  const server = createServer(open).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A static file server's answer: ranges, an ETag, and the faults. */
export function sendBytes(
  request: IncomingMessage,
  response: ServerResponse,
  content: Uint8Array,
  etag: string,
  faults: Faults,
): void {
  const bytes = faults.damage ? content.map((byte, i) => (i === content.length >> 1 ? byte ^ 1 : byte)) : content;
  const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "") ?? [];
  const from = first === undefined ? 0 : Number(first);
  const to = last ? Math.min(Number(last) + 1, bytes.length) : bytes.length;
  const part = bytes.subarray(from, to);
  response.setHeader("ETag", etag);
  response.setHeader("Accept-Ranges", "bytes");
  response.setHeader("Content-Length", part.length);
  if (first !== undefined) response.setHeader("Content-Range", `bytes ${from}-${to - 1}/${bytes.length}`);
  response.writeHead(first === undefined ? 200 : 206);
  const { cut } = faults;
  if (cut && cut.times > 0 && part.length > cut.after) {
    cut.times--;
    response.write(part.subarray(0, cut.after), () => setTimeout(() => response.destroy(), 20));
  } else response.end(part);
}

function modelInfo(name: string, repo: FakeRepo): object {
  return {
    _id: "65f0",
    id: name,
    sha: repo.head ?? commit,
    private: repo.private ?? false,
    gated: repo.gated ? "manual" : false,
    downloads: 7,
    likes: 1,
    lastModified: "2024-02-10T23:34:23.000Z",
    pipeline_tag: "image-classification",
    cardData: repo.license === undefined ? {} : { license: repo.license },
    siblings: Object.keys(repo.files).map((rfilename) => ({ rfilename })),
  };
}

function pathsInfo(repo: FakeRepo, paths: readonly string[]): object[] {
  return paths
    .filter((path) => repo.files[path])
    .map((path) => {
      const bytes = repo.files[path]!;
      const size = repo.claimedSizes?.[path] ?? bytes.length;
      const oid = gitSha1(bytes);
      if (!isLarge(path)) return { type: "file", path, size, oid };
      const lfs = { oid: sha256(bytes), size, pointerSize: 135 };
      return { type: "file", path, size, oid: "0".repeat(40), lfs, xetHash: sha256(bytes) };
    });
}

async function body(request: IncomingMessage): Promise<string> {
  return (await bodyBytes(request)).toString();
}

async function bodyBytes(request: IncomingMessage): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of request) chunks.push(chunk as Uint8Array);
  return Buffer.concat(chunks);
}

function json(response: ServerResponse, value: object): void {
  response.setHeader("Content-Type", "application/json; charset=utf-8");
  response.end(JSON.stringify(value));
}

function refuse(response: ServerResponse, status: number, code: string | undefined, error: string): void {
  if (code !== undefined) response.setHeader("X-Error-Code", code);
  response.setHeader("X-Error-Message", error);
  response.statusCode = status;
  json(response, { error });
}
