import { UserError } from "../core/errors.js";
import { hubLibrary } from "./library.node.js";
import type { RemoteFile } from "./remote-file.js";
import { chunksOf, request } from "./request.node.js";

/** A revision of a model's repository. */
export interface Commit {
  /** 40 hexadecimal digits. */
  readonly id: string;
  /** As the model card names it: "mit". */
  readonly license: string | undefined;
}

/** A hub has no repository of this name, or none that this token may see. */
export class NoRepositoryError extends UserError {}

const unreachable = "check the network, set HF_ENDPOINT to a mirror, or use --offline for what is in the cache";

/** What a pull asks of a hub, through `@huggingface/hub`, with its refusals as one line each. */
export class HubClient {
  readonly endpoint: string;
  readonly #token: string | undefined;
  readonly #signal: AbortSignal | undefined;

  /** @throws UserError for an endpoint that is no URL, or a token that is none. */
  constructor(endpoint: string, token: string | undefined, signal: AbortSignal | undefined) {
    if (!/^https?:\/\//.test(endpoint) || !URL.canParse(endpoint)) {
      throw new UserError({ expected: "a URL in HF_ENDPOINT", received: JSON.stringify(endpoint) });
    }
    if (token !== undefined && !token.startsWith("hf_")) {
      throw new UserError({ expected: 'a token that begins with "hf_" in HF_TOKEN', received: "another text" });
    }
    this.endpoint = endpoint.replace(/\/+$/, "");
    this.#token = token;
    this.#signal = signal;
  }

  /** The commit that a branch, tag or commit is. @throws UserError when there is none, or it may not be read. */
  async commit(repo: string, revision: string): Promise<Commit> {
    const { modelInfo } = await hubLibrary();
    const info = await modelInfo({
      ...this.#common(repo, revision),
      name: repo,
      revision,
      additionalFields: ["sha", "cardData"],
    });
    if (!/^[0-9a-f]{40}$/.test(info.sha)) throw this.#malformed("a commit", info.sha);
    const license: unknown = info.cardData?.license;
    return { id: info.sha, license: typeof license === "string" ? license : undefined };
  }

  /** Those of the named files that are there, by name. */
  async files(repo: string, commit: string, paths: readonly string[]): Promise<Map<string, RemoteFile>> {
    const { pathsInfo } = await hubLibrary();
    const common = this.#common(repo, commit);
    const found = await pathsInfo({ ...common, repo, revision: commit, paths: [...paths] });
    const files = new Map<string, RemoteFile>();
    for (const { path, type, size, oid, lfs } of found) {
      if (type !== "file" || !paths.includes(path)) continue;
      // The name of the content, and of its file in the cache: of a large file its SHA-256, else git's own.
      const id = lfs?.oid ?? oid ?? "";
      const bytes = lfs?.size ?? size;
      if (!(lfs ? /^[0-9a-f]{64}$/ : /^[0-9a-f]{40}$/).test(id)) throw this.#malformed("a content id", id);
      if (!Number.isSafeInteger(bytes) || bytes < 0) throw this.#malformed("a size", bytes);
      files.set(path, {
        name: path,
        blob: id,
        bytes,
        digest: { algorithm: lfs ? "sha256" : "git-sha1", hex: id },
        open: (from) => this.#stream(repo, commit, path, from),
      });
    }
    return files;
  }

  async *#stream(repo: string, commit: string, path: string, from: number): AsyncGenerator<Uint8Array> {
    const { downloadFile } = await hubLibrary();
    const { fetch, ...common } = this.#common(repo, commit);
    // The library gives a stream that fails with a text: what was refused is kept here.
    let refusal: unknown;
    const remembering: typeof fetch = (input, init) =>
      fetch(input, init).catch((error: unknown) => {
        refusal = error;
        throw error;
      });
    // One plain HTTP stream, which every mirror has and which goes on at any byte, instead of Xet's chunks.
    const blob = await downloadFile({
      ...common,
      fetch: remembering,
      repo,
      path,
      revision: commit,
      xet: false,
    });
    if (!blob) throw this.#malformed("a file that it lists", path);
    try {
      yield* chunksOf(blob.slice(from).stream());
    } catch (error) {
      throw refusal ?? error;
    }
  }

  #common(repo: string, revision: string) {
    return {
      hubUrl: this.endpoint,
      ...(this.#token === undefined ? {} : { accessToken: this.#token }),
      fetch: async (input: string | URL | Request, init: RequestInit = {}): Promise<Response> => {
        const url = input instanceof Request ? input.url : input;
        const response = await request(url, this.#signal ? { ...init, signal: this.#signal } : init, unreachable);
        if (response.ok || response.headers.get("x-error-code") === "EntryNotFound") return response;
        await response.body?.cancel();
        throw this.#refused(response, repo, revision);
      },
    };
  }

  #refused(response: Response, repo: string, revision: string): UserError {
    const { status, headers } = response;
    const code = headers.get("x-error-code");
    const received = (what: string): string => `HTTP status ${status} (${what})`;
    const page = `${this.endpoint}/${repo}`;
    if (code === "RevisionNotFound") {
      return new UserError({
        expected: `a revision of ${repo}`,
        received: `"${revision}"`,
        remedy: `see the branches and tags at ${page}/tree/main`,
      });
    }
    if (status === 403) {
      return new UserError({
        expected: `leave to read ${repo}`,
        received: received(code === "GatedRepo" ? "access is granted on request" : "forbidden"),
        remedy: `ask for access at ${page}, and set HF_TOKEN to a token of that account`,
      });
    }
    // A hub does not tell strangers whether a repository is private or not there.
    if (status === 401) {
      return new UserError({
        expected: `a repository ${repo} that ${this.#token ? "this HF_TOKEN" : "everybody"} may read`,
        received: received("unauthorized"),
        remedy: this.#token
          ? "check the name, and whether the token is still valid"
          : "check the name; for a private repository set HF_TOKEN",
      });
    }
    if (status === 404) {
      return new NoRepositoryError({
        expected: `a repository at ${page}`,
        received: received("not found"),
        remedy: "check owner and name",
      });
    }
    return new UserError({
      expected: `an answer from ${this.endpoint}`,
      received: `HTTP status ${status}`,
      remedy: "try again later, or set HF_ENDPOINT to a mirror",
    });
  }

  #malformed(expected: string, received: unknown): UserError {
    return new UserError({
      expected: `${expected} from ${this.endpoint}`,
      received: JSON.stringify(received) ?? "nothing",
      remedy: "check HF_ENDPOINT",
    });
  }
}
