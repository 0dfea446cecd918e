import { createReadStream } from "node:fs";
import { type FileHandle, open, realpath } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, sep } from "node:path";
import { pipeline } from "node:stream/promises";
import { UserError } from "../core/errors.js";
import { describeSystemError } from "../core/system-errors.js";

/** A folder of files as a site. */
export interface StaticSite {
  /** Folders by the path under which they are served: `{ "/": "site", "/models/": "runs" }`. The longest path that fits counts. */
  readonly folders: Readonly<Record<string, string>>;
  /** Address to listen on. Default: this machine only. */
  readonly host?: string;
  /** 0: any that is free (default). */
  readonly port?: number;
  /**
   * Default true: with the headers that make a page cross-origin isolated, which SharedArrayBuffer and so threads need
   * (https://web.dev/articles/coop-coep).
   */
  readonly isolated?: boolean;
  /** Further headers of every answer. */
  readonly headers?: Readonly<Record<string, string>>;
}

export interface RunningSite {
  /** "http://127.0.0.1:8080/" */
  readonly url: string;
  close(): Promise<void>;
}

const isolation: Readonly<Record<string, string>> = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
  "Cross-Origin-Resource-Policy": "same-origin",
};

/** Browsers run modules and compile streams only under their own types. */
const mediaTypes: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".json": "application/json",
  ".map": "application/json",
  ".webmanifest": "application/manifest+json",
  ".wasm": "application/wasm",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".jpg": "image/jpeg",
  ".jpeg": "image/jpeg",
  ".webp": "image/webp",
  ".ico": "image/x-icon",
  ".woff2": "font/woff2",
  ".txt": "text/plain; charset=utf-8",
};

/**
 * Serves folders by GET and HEAD; of a folder its `index.html`. Nothing outside of the folders is reached: neither by `..`,
 * in any encoding, nor by links; names that begin with a dot are not served.
 * @throws UserError when the port is taken or may not be used.
 */
export async function serveFiles(site: StaticSite): Promise<RunningSite> {
  const { host = "127.0.0.1", port = 0, isolated = true, headers } = site;
  const always = { "X-Content-Type-Options": "nosniff", ...(isolated && isolation), ...headers };
  const server = createServer((request, response) => {
    for (const [name, value] of Object.entries(always)) response.setHeader(name, value);
    answer(site.folders, request, response).catch(() => {
      if (!response.headersSent) refuse(response, 500);
      else response.destroy();
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => reject(explained(error, host, port)));
    server.listen(port, host, resolve);
  });
  const bound = server.address() as AddressInfo;
  const name = bound.family === "IPv6" ? `[${bound.address}]` : bound.address;
  return {
    url: `http://${name}:${bound.port}/`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function explained(error: NodeJS.ErrnoException, host: string, port: number): UserError {
  const received =
    error.code === "EADDRINUSE"
      ? "one that another program uses"
      : error.code === "EACCES"
        ? "one that only the administrator may use"
        : describeSystemError(error);
  const remedy = error.code === "EADDRINUSE" || error.code === "EACCES" ? "choose another port" : "check the host";
  return new UserError({ expected: `to listen on port ${port} of ${host}`, received, remedy }, { cause: error });
}

async function answer(
  folders: StaticSite["folders"],
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (request.method !== "GET" && request.method !== "HEAD") {
    response.setHeader("Allow", "GET, HEAD");
    return refuse(response, 405);
  }
  const names = pathNames(request.url ?? "");
  if (!names) return refuse(response, 400);
  const found = await openBelow(folders, names);
  if (!found) return refuse(response, 404);
  const { path, file } = found;
  try {
    const { size, mtime } = await file.stat();
    const tag = `"${size.toString(36)}-${mtime.getTime().toString(36)}"`;
    response.setHeader("ETag", tag);
    response.setHeader("Last-Modified", mtime.toUTCString());
    response.setHeader("Cache-Control", "no-cache");
    response.setHeader("Content-Type", mediaTypes[extname(path).toLowerCase()] ?? "application/octet-stream");
    if (request.headers["if-none-match"] === tag) {
      response.writeHead(304).end();
      return;
    }
    response.writeHead(200, { "Content-Length": size });
    if (request.method === "HEAD" || size === 0) {
      response.end();
      return;
    }
    // Whoever writes to the file meanwhile must not make the answer longer than announced.
    await pipeline(createReadStream(path, { fd: file.fd, autoClose: false, start: 0, end: size - 1 }), response);
  } catch (error) {
    // A reader that goes away in the middle of a file is no failure of ours.
    if ((error as NodeJS.ErrnoException).code !== "ERR_STREAM_PREMATURE_CLOSE") throw error;
  } finally {
    await file.close();
  }
}

/** The names between the slashes of a request's path, decoded; undefined where it is not a path that can be meant well. */
function pathNames(target: string): string[] | undefined {
  const [path] = target.split(/[?#]/, 1);
  if (!path?.startsWith("/")) return undefined;
  try {
    const names = path.slice(1).split("/").map(decodeURIComponent);
    // A separator that was hidden by its encoding, of this or another system.
    return names.some((name) => /[/\\\0]/.test(name)) ? undefined : names;
  } catch {
    return undefined;
  }
}

async function openBelow(
  folders: StaticSite["folders"],
  names: readonly string[],
): Promise<{ path: string; file: FileHandle } | undefined> {
  const whole = `/${names.join("/")}`;
  const prefix = Object.keys(folders)
    .filter((candidate) => whole.startsWith(candidate))
    .sort((a, b) => b.length - a.length)[0];
  if (prefix === undefined) return undefined;
  const below = whole.slice(prefix.length).split("/");
  if (below.at(-1) === "") below[below.length - 1] = "index.html";
  if (below.some((name) => name === "" || name.startsWith("."))) return undefined;
  try {
    const folder = await realpath(folders[prefix]!);
    const path = await realpath(join(folder, ...below));
    if (!path.startsWith(folder.endsWith(sep) ? folder : folder + sep)) return undefined;
    const file = await open(path, "r");
    if ((await file.stat()).isFile()) return { path, file };
    await file.close();
    return undefined;
  } catch {
    return undefined;
  }
}

const reasons: Readonly<Record<number, string>> = {
  400: "Bad request",
  404: "Not found",
  405: "Only GET and HEAD",
  500: "The file cannot be read",
};

function refuse(response: ServerResponse, status: number): void {
  response.writeHead(status, { "Content-Type": "text/plain; charset=utf-8" });
  response.end(`${reasons[status]}\n`);
}
