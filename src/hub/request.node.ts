import { setTimeout as sleep } from "node:timers/promises";
import { UserError } from "../core/errors.js";
import { describeSystemError, systemErrorCode } from "../core/system-errors.js";

/** Statuses that pass: too many requests, server errors. */
const passingStatuses = new Set([429, 500, 502, 503, 504]);
/** A connection that ended before the answer; servers end idle ones just when they are used again. */
const passingErrors = new Set(["UND_ERR_SOCKET", "ECONNRESET", "EPIPE"]);
const attempts = 4;

/** Milliseconds before attempt `n` (from 1) is repeated. */
export function backoff(n: number): number {
  return 250 * 2 ** (n - 1);
}

/**
 * `fetch` that tries again where a server is busy or ends a connection. Only for requests that change nothing.
 * @param remedy what to do when the server cannot be reached
 * @throws UserError when it cannot be reached; other answers, refusals too, are returned.
 */
export async function request(url: string | URL, init: RequestInit, remedy: string): Promise<Response> {
  for (let attempt = 1; ; attempt++) {
    const last = attempt === attempts;
    try {
      const response = await fetch(url, init);
      if (!passingStatuses.has(response.status) || last) return response;
      await response.body?.cancel();
    } catch (error) {
      if (init.signal?.aborted) throw error;
      if (!passingErrors.has(systemErrorCode(error) ?? "") || last) {
        const parts = { expected: `to reach ${new URL(url).origin}`, received: describeSystemError(error), remedy };
        throw new UserError(parts, { cause: error });
      }
    }
    await sleep(backoff(attempt), undefined, init.signal ? { signal: init.signal } : {});
  }
}

/** The bytes of an answer. Whatever breaks the stream is thrown as it comes. */
export async function* chunksOf(body: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
