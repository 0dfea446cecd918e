import { UserError } from "../core/errors.js";
import { describeSystemError } from "../core/system-errors.js";
import { hubLibrary } from "./library.node.js";

/** A file as a hub gets it. */
export interface UploadFile {
  readonly name: string;
  /** On this machine: a file: URL. */
  readonly content: URL;
}

export interface CommitRequest {
  readonly repo: string;
  readonly branch: string;
  /** The commit that was looked at before: if the branch has moved on since, nothing is written. */
  readonly parent: string | undefined;
  readonly title: string;
  readonly files: readonly UploadFile[];
  /** Told of the share of each file that is there, in [0, 1]. */
  readonly onFile?: ((name: string, share: number) => void) | undefined;
}

/** What a push changes on a hub, through `@huggingface/hub`, with its refusals as one line each. The token goes to the hub and nowhere else. */
export class HubWriter {
  readonly #endpoint: string;
  readonly #token: string;
  readonly #signal: AbortSignal | undefined;

  constructor(endpoint: string, token: string, signal: AbortSignal | undefined) {
    this.#endpoint = endpoint;
    this.#token = token;
    this.#signal = signal;
  }

  /** @throws UserError where the token's account may not make it. */
  async createRepository(repo: string, isPrivate: boolean): Promise<void> {
    const { createRepo } = await hubLibrary();
    // Public is what a hub makes where nothing is said; an organization may have chosen otherwise.
    const visibility = isPrivate ? { visibility: "private" as const } : {};
    await createRepo({ ...this.#common(repo), repo: { type: "model", name: repo }, ...visibility });
  }

  /**
   * Uploads files as one commit: all of them or none.
   * @returns the commit's id
   */
  async commit({ repo, branch, parent, title, files, onFile }: CommitRequest): Promise<string> {
    const { commitIter } = await hubLibrary();
    const events = commitIter({
      ...this.#common(repo),
      repo: { type: "model", name: repo },
      branch,
      title,
      ...(parent !== undefined && { parentCommit: parent }),
      ...(this.#signal && { abortSignal: this.#signal }),
      operations: files.map(({ name, content }) => ({ operation: "addOrUpdate" as const, path: name, content })),
      // Plain HTTP to the address that the hub names for each file, as every mirror has it, instead of Xet's chunks.
      useXet: false,
    });
    for (;;) {
      const { done, value } = await events.next();
      if (!done) {
        if (value.event === "fileProgress" && value.state === "uploading") onFile?.(value.path, value.progress);
        continue;
      }
      const id = value?.commit.oid;
      if (id !== undefined && /^[0-9a-f]{40}$/.test(id)) return id;
      throw new UserError({
        expected: `a commit from ${this.#endpoint}`,
        received: JSON.stringify(id) ?? "nothing",
        remedy: `look at ${this.#endpoint}/${repo} before you push again`,
      });
    }
  }

  #common(repo: string) {
    return {
      hubUrl: this.#endpoint,
      accessToken: this.#token,
      fetch: async (input: string | URL | Request, init: RequestInit = {}): Promise<Response> => {
        const url = input instanceof Request ? input.url : String(input);
        const response = await this.#send(url, init);
        if (response.ok) return response;
        throw await this.#refused(response, repo, url);
      },
    };
  }

  /** One try: what changes something is never repeated unasked. */
  async #send(url: string, init: RequestInit): Promise<Response> {
    const headers = new Headers(init.headers);
    if (new URL(url).origin !== new URL(this.#endpoint).origin) headers.delete("authorization");
    try {
      return await fetch(url, { ...init, headers, ...(this.#signal && { signal: this.#signal }) });
    } catch (error) {
      this.#signal?.throwIfAborted();
      const parts = {
        expected: `to reach ${new URL(url).origin}`,
        received: describeSystemError(error),
        remedy: "check the network and HF_ENDPOINT, and push again: until all files are there nothing changes",
      };
      throw new UserError(parts, { cause: error });
    }
  }

  async #refused(response: Response, repo: string, url: string): Promise<UserError> {
    const { status } = response;
    const said = await saidBy(response);
    const received = `HTTP status ${status}${said === "" ? "" : ` (${said})`}`;
    const [owner] = repo.split("/");
    if (status === 401 || status === 403) {
      return new UserError({
        expected: `a token that may write to ${repo}`,
        received,
        remedy: `make one with the permission to write for ${owner} at ${this.#endpoint}/settings/tokens, and set HF_TOKEN to it`,
      });
    }
    if (status === 409 || status === 412) {
      return new UserError({
        expected: `${repo} as it was a moment ago`,
        received,
        remedy: "somebody changed it meanwhile: look at it, and push again",
      });
    }
    if (new URL(url).origin !== new URL(this.#endpoint).origin) {
      return new UserError({ expected: "the hub's storage to take the file", received, remedy: "push again" });
    }
    return new UserError({
      expected: `${this.#endpoint} to take the push`,
      received,
      remedy: status >= 500 ? "try again later" : "mend what it names (a model card's front matter is checked there)",
    });
  }
}

/** What a hub says of a refusal, in a line; nothing that it sends is trusted. */
async function saidBy(response: Response): Promise<string> {
  const text = await response.text().catch(() => "");
  let said: unknown;
  try {
    const { error, message } = JSON.parse(text) as { readonly error?: unknown; readonly message?: unknown };
    said = error ?? message;
  } catch {
    said = response.headers.get("x-error-message");
  }
  if (typeof said !== "string") return "";
  const line = said.replace(/[\s\p{Cc}]+/gu, " ").trim();
  return line.length > 300 ? `${line.slice(0, 300)} …` : line;
}
