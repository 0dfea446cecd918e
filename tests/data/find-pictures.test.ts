import { symlinkSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, onTestFinished, test } from "vitest";
import { UserError } from "#repvgg/core/errors.js";
import { expandBraces, hasGlobMarks, matcher } from "#repvgg/core/glob.js";
import { byNaturalOrder, findPictures } from "#repvgg/data/find-pictures.node.js";
import { readPicture } from "#repvgg/data/read-picture.node.js";
import { encode, temporaryFolder, uniform } from "./pictures.js";

describe("patterns", () => {
  test.each<[string, string[], string[]]>([
    ["*.jpg", ["a.jpg", ".jpg.jpg", "a b.jpg"], ["a.png", ".a.jpg", "a.jpgx"]],
    ["?.jpg", ["a.jpg", "日.jpg", "🙂.jpg"], ["ab.jpg", ".jpg"]],
    ["img[0-9].png", ["img3.png"], ["imgx.png", "img10.png"]],
    ["[!a-c]x", ["dx"], ["ax", "x"]],
    ["[]a]x", ["]x", "ax"], ["bx"]],
    ["a+(b).$^|x", ["a+(b).$^|x"], ["aab.x"]],
    [".*", [".hidden"], ["shown"]],
    ["[z-a]", ["[z-a]"], ["z"]],
    ["**x", ["x", "aax"], ["xa"]],
    ["[^\\d]", ["7", "\\"].slice(0, 1), ["d", "\\"]],
  ])("%s", (pattern, fitting, others) => {
    const fits = matcher(pattern);
    for (const name of fitting)
      if (!name.startsWith(".") || pattern.startsWith(".")) expect(fits(name), name).toBe(true);
    for (const name of others) expect(fits(name), name).toBe(false);
  });

  test("stars and question marks fit as a naive matcher says", () => {
    const naive = (pattern: string, name: string): boolean => {
      if (pattern === "") return name === "";
      if (pattern[0] === "*") return naive(pattern.slice(1), name) || (name !== "" && naive(pattern, name.slice(1)));
      return name !== "" && (pattern[0] === "?" || pattern[0] === name[0]) && naive(pattern.slice(1), name.slice(1));
    };
    const letters = (choice: string, maxLength: number) =>
      fc.array(fc.constantFrom(...choice), { maxLength }).map((list) => list.join(""));
    fc.assert(
      fc.property(
        letters("ab*?", 6),
        letters("ab", 8),
        (pattern, name) => matcher(pattern)(name) === naive(pattern, name),
      ),
      { numRuns: 2000, seed: 1 },
    );
  });

  test("alternatives in braces, nested and many", () => {
    expect(expandBraces("{a,b}.{jpg,png}")).toEqual(["a.jpg", "a.png", "b.jpg", "b.png"]);
    expect(expandBraces("x{a,{b,c}d}")).toEqual(["xa", "xbd", "xcd"]);
    expect(expandBraces("{a}{")).toEqual(["{a}{"]);
    expect(expandBraces("{a,b}".repeat(40)).length).toBeLessThanOrEqual(1001);
    expect(["a*", "a?", "[ab]", "{a,b}"].every(hasGlobMarks)).toBe(true);
    expect(["a.jpg", "[]", "{a}", "a[1/2]"].some(hasGlobMarks)).toBe(false);
  });
});

describe("pictures that words name", () => {
  const png = () => encode(uniform(4, 4, 3, 9), "png");

  test("files, folders, patterns, addresses and - in the order given, each once; folders in natural order", async () => {
    const root = temporaryFolder({
      "f/10.png": await png(),
      "f/2.png": await png(),
      "f/sub/1.png": await png(),
      "f/broken.jpg": "text",
      "f/notes.txt": "text",
      "f/.hidden.png": await png(),
      "f/2.explained.png": await png(),
      "a[1].png": await png(),
      "a1.png": await png(),
    });
    symlinkSync(join(root, "f"), join(root, "f", "round"));
    const below = (names: readonly string[]): string[] => names.map((name) => name.replaceAll(`${root}/`, ""));
    const at = (name: string): string => join(root, name);
    const { names, ignored, single } = findPictures([at("a1.png"), "-", at("f"), "https://x.org/*.png", at("a1.p*")]);
    expect(below(names)).toEqual([
      "a1.png",
      "-",
      "f/2.png",
      "f/10.png",
      "f/broken.jpg",
      "f/sub/1.png",
      "https://x.org/*.png",
    ]);
    expect(ignored.map(({ kind, count, example }) => [kind, count, below([example])[0]])).toEqual([
      ["hidden file", 1, "f/.hidden.png"],
      ["link to a folder", 1, "f/round"],
      ["picture of an earlier --explain", 1, "f/2.explained.png"],
      ["text", 1, "f/notes.txt"],
    ]);
    expect(single).toBe(false);
    expect(findPictures(["x", "x"]).names).toEqual(["x", "x"]);
    // A file of that very name outranks a pattern.
    expect(below(findPictures([at("a[1].png")]).names)).toEqual(["a[1].png"]);
    expect(findPictures([at("a1.png")]).single).toBe(true);
    expect(findPictures([at("gone.png")])).toEqual({ names: [at("gone.png")], ignored: [], single: true });
    expect(below(findPictures([at("a?.png")]).names)).toEqual(["a1.png"]);
    expect(below(findPictures([at("**/[0-9]*.png")]).names)).toEqual([
      "f/2.explained.png",
      "f/2.png",
      "f/10.png",
      "f/sub/1.png",
    ]);
    expect(below(findPictures([at("f/{2,10,77}.png")]).names)).toEqual(["f/2.png", "f/10.png", "f/77.png"]);
    expect(below(findPictures([at("f/s*/")]).names)).toEqual(["f/sub/1.png"]);
    expect(below(findPictures([at("f/sub/**")]).names)).toEqual(["f/sub/1.png"]);
    expect(below(findPictures([`${root}/f/sub/../*.jpg`]).names)).toEqual(["f/sub/../broken.jpg"]);
    expect(() => findPictures([at("*.gif")])).toThrow(
      /expected files like .*\*\.gif, received none: check the pattern/,
    );
  });

  test("a folder without pictures says what it has", () => {
    const root = temporaryFolder({ "f/a.txt": "text", e: undefined });
    expect(() => findPictures([join(root, "f")])).toThrow(/expected pictures in .*f\/, received none \(but 1 × text\)/);
    expect(() => findPictures([join(root, "e")])).toThrow(UserError);
  });

  test("natural order", () => {
    const names = ["b", "a10", "a2", "a02", "A1", "a1"];
    expect(names.sort(byNaturalOrder)).toEqual(["a1", "A1", "a02", "a2", "a10", "b"]);
  });
});

describe("pictures of the web", () => {
  async function server(answer: RequestListener): Promise<string> {
    const listening = createServer(answer);
    await new Promise<void>((resolve) => listening.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => {
      listening.closeAllConnections();
      listening.close();
    });
    return `http://127.0.0.1:${(listening.address() as AddressInfo).port}`;
  }

  test("are read, and what goes wrong is said in one line", async () => {
    const picture = await encode(uniform(6, 4, 3, 90), "png");
    const url = await server((request, response) => {
      switch (request.url) {
        case "/cat.png":
          return void response.end(picture);
        case "/moved.png":
          return void response.writeHead(302, { location: "/cat.png" }).end();
        case "/page":
          return void response.end("<!doctype html><html></html>");
        case "/huge":
          return void response.writeHead(200, { "content-length": 3 * 2 ** 20 }).write("x");
        case "/endless":
          return void setInterval(() => response.destroyed || response.write(Buffer.alloc(2 ** 18)), 1).unref();
        case "/slow":
          return void response.write("x");
        case "/cut":
          response.writeHead(200, { "content-length": 1000 }).write("x");
          return void setTimeout(() => response.destroy(), 20);
        default:
          return void response.writeHead(404).end();
      }
    });
    const limits = { maxBytes: 2 ** 20, patience: 300 };
    expect(await readPicture(`${url}/cat.png`, limits)).toEqual(uniform(6, 4, 3, 90));
    expect(await readPicture(`${url}/moved.png`, limits)).toEqual(uniform(6, 4, 3, 90));
    for (const [path, message] of [
      ["/page", /received http:.*\/page \(HTML page, not a picture\)/],
      ["/none", /expected a picture at http:.*\/none, received HTTP status 404: check the address$/],
      ["/huge", /expected at most 1048576 bytes from .*\/huge, received \d+ or more/],
      ["/endless", /expected at most 1048576 bytes from .*\/endless, received \d+ or more/],
      ["/slow", /received no answer in time: check the address and the network, or try later$/],
      ["/cut", /received a connection that was broken off: /],
    ] as const) {
      const error = await readPicture(url + path, limits).catch((caught: unknown) => caught);
      expect(error, path).toBeInstanceOf(UserError);
      expect((error as Error).message).toMatch(message);
    }
    await expect(readPicture("http://127.0.0.1:59/x.png")).rejects.toThrow(/received a refused connection/);
    await expect(readPicture("http://no-such-host.invalid/x.png")).rejects.toThrow(
      /received (no server of that name|no answer of the name server)/,
    );
  });
});
