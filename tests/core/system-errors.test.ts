import { readFileSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { describeSystemError, systemErrorCode } from "#repvgg/core/system-errors.js";
import { sourceFiles } from "../../scripts/rooms.mjs";

const withCode = (code: string, message = `${code}: what libuv says`): Error =>
  Object.assign(new Error(message), { code });

test("a code is told in words, its own or that of fetch's cause, of one address or of several", () => {
  expect(describeSystemError(withCode("ENOENT"))).toBe("no such file or folder");
  const dns = new TypeError("fetch failed", { cause: withCode("ENOTFOUND", "getaddrinfo ENOTFOUND x") });
  expect([systemErrorCode(dns), describeSystemError(dns)]).toEqual(["ENOTFOUND", "no server of that name"]);
  const both = new AggregateError([withCode("ECONNREFUSED"), withCode("ENETUNREACH")]);
  expect(describeSystemError(new TypeError("fetch failed", { cause: both }))).toBe("a refused connection");
});

test("what has no code speaks for itself, in one line and without the code", () => {
  expect(describeSystemError(withCode("EWHAT", "EWHAT: strange, open 'x'\nmore"))).toBe("strange, open 'x'");
  expect(describeSystemError(new TypeError("fetch failed", { cause: new Error("bad port") }))).toBe("bad port");
  expect(describeSystemError(new Error("plain"))).toBe("plain");
  expect(describeSystemError("text")).toBe("text");
  expect(systemErrorCode(new Error("plain"))).toBeUndefined();
});

test("no code of this system's files and connections reaches a reader as it is", () => {
  const used = [
    "EACCES",
    "EBUSY",
    "ECONNREFUSED",
    "ECONNRESET",
    "EISDIR",
    "EMFILE",
    "ENOENT",
    "ENOSPC",
    "ENOTDIR",
    "EPERM",
  ];
  for (const code of used) {
    expect(code in constants.errno, code).toBe(true);
    expect(describeSystemError(withCode(code)), code).not.toMatch(/\bE[A-Z]{3,}\b|libuv/);
  }
});

test("codes are put into words in one place only", () => {
  const strays = [...sourceFiles().keys()].filter((file) => {
    const text = readFileSync(join("src", file), "utf8");
    return /received:? .*\.code\b/.test(text) || /received = .*\.code\b/.test(text);
  });
  expect(strays).toEqual([]);
});
