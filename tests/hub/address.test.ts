import { expect, test } from "vitest";
import { UserError } from "#repvgg/core/errors.js";
import { checkRevision, parseAddress } from "#repvgg/hub/address.js";

const hubs = ["https://huggingface.co", "http://127.0.0.1:8000"];

test.each([
  ["timm/repvgg_a0.rvgg_in1k", "timm/repvgg_a0.rvgg_in1k", undefined, undefined],
  ["a/b:weights/x.pth", "a/b", "weights/x.pth", undefined],
  ["https://huggingface.co/a/b", "a/b", undefined, undefined],
  ["https://huggingface.co/a/b/", "a/b", undefined, undefined],
  ["https://huggingface.co/a/b/resolve/main/x.safetensors?download=true", "a/b", "x.safetensors", "main"],
  ["http://127.0.0.1:8000/a/b/blob/refs%2Fpr%2F1/d/x.bin", "a/b", "d/x.bin", "refs/pr/1"],
])("%s", (text, repo, file, revision) => {
  expect(parseAddress(text, hubs)).toEqual({ kind: "hub", repo, file, revision });
});

test("a URL elsewhere", () => {
  expect(parseAddress("https://example.org/d/RepVGG-A0.pth?x=1", hubs)).toEqual({
    kind: "url",
    url: "https://example.org/d/RepVGG-A0.pth?x=1",
    file: "RepVGG-A0.pth",
  });
});

test.each([
  "",
  "a",
  "a/b/c",
  "../b",
  "a/..",
  "a/b:",
  "a/b:/etc/x.pth",
  "a/b:../x.pth",
  "a/b:c\\..\\x.pth",
  "a/b:C:x.pth",
  "a/b:config.json",
  "a b/c",
  "ftp://example.org/x.pth",
  "https://example.org/page.html",
  "https://example.org/",
  "https://huggingface.co/a/b/resolve/main/..%2F..%2Fx.pth",
  "https://huggingface.co",
  "https://huggingface.co/timm",
  "https://huggingface.co/timm/",
  "https://huggingface.co/.a/b",
  "https://huggingface.co/a/%2E%2E",
  "https://huggingface.co/a/b/tree/main",
  "https://huggingface.co/a/b//main",
  "https://huggingface.co/a/b/resolve/main",
  "https://huggingface.co/a/b/resolve/main/",
])("refuses %j", (text) => {
  expect(() => parseAddress(text, hubs)).toThrow(UserError);
});

test.each(["", "..", "a/../b", "/a", "a//b", "-\n", "a/.git"])("refuses the revision %j", (revision) => {
  expect(() => checkRevision(revision)).toThrow(UserError);
});
