import { execFile } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import ts from "typescript";
import { afterAll, describe, expect, it, vi } from "vitest";
import { createProgram, runCommand } from "#repvgg/cli/program.js";
import { installTarball } from "../pack.js";
import { codeBlocks, commandsIn } from "./markdown.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const pages = [
  "README.md",
  "CONTRIBUTING.md",
  "SECURITY.md",
  ...readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" }).map((name) => `docs/${name}`),
]
  .filter((name) => name.endsWith(".md") && existsSync(join(root, name)))
  .map((name) => ({ name, text: readFileSync(join(root, name), "utf8") }));
const documents = pages
  .flatMap(({ name, text }) => codeBlocks(text).map((block) => ({ ...block, name })))
  .map(({ name, line, ...block }) => ({ ...block, place: `${name}:${line}` }));
/** Those of the package's inside are files that the tests compile, copied. */
const typescript = documents.filter(
  ({ language, attributes }) => language === "ts" && !attributes.includes("internal"),
);
const commands = documents
  .filter(({ language }) => language === "sh")
  .flatMap(({ text, place }) => commandsIn(text).map((words) => ({ place, words, line: words.join(" ") })));

/** Where a reader tries the examples: an empty project with the package installed, and nothing else of this repository. */
const installed = installTarball();
const workplace = installed.folder;
afterAll(() => installed.remove(), 60_000);

it("README's first words are how to install, and its first program runs by what comes with that", () => {
  const readme = documents.filter(({ place }) => place.startsWith("README.md"));
  expect(readme[0]!.text).toBe("npm install repvgg\n");
  expect(readme.find(({ language }) => language === "ts")!.attributes).toEqual([]);
  expect(readme.find(({ text }) => text === "npm ci && npm run quickstart\nnpm test\n")).toBeDefined();
});

it("every page of docs can be reached from README", () => {
  const reached = new Set(["README.md"]);
  for (const name of reached) {
    const text = readFileSync(join(root, name), "utf8");
    for (const [, target] of text.matchAll(/\]\((?!https?:|#)([^)#\s]+\.md)/g)) {
      const path = relative(root, join(root, dirname(name), target!)).replaceAll("\\", "/");
      if (existsSync(join(root, path))) reached.add(path);
    }
  }
  const own = pages.map(({ name }) => name).filter((name) => !name.startsWith("docs/decisions/"));
  expect(own.filter((name) => !reached.has(name))).toEqual([]);
});

it("there are examples", () => {
  expect(typescript.length).toBeGreaterThan(0);
  expect(commands.length).toBeGreaterThan(5);
});

describe("TypeScript in the documents", () => {
  it.each(typescript)("$place type-checks", ({ text }) => {
    expect(typeErrors(text)).toEqual([]);
  });

  it.each(typescript.filter(({ attributes }) => !attributes.includes("no-run")))(
    "$place runs",
    async ({ text, place }) => {
      const { outputText } = ts.transpileModule(text, {
        compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2023 },
      });
      const file = join(workplace, `${place.replace(/\W+/g, "-")}.mjs`);
      writeFileSync(file, outputText);
      await promisify(execFile)(process.execPath, [file], { cwd: workplace });
    },
    300_000,
  );
});

describe("commands in the documents", () => {
  it.each(commands)("$place: $line", async ({ words }) => {
    const [first, ...rest] = words;
    const [program, ...args] = first === "npx" ? withoutPackages(rest) : words;
    if (program === "repvgg") return expectToParse(args);
    if (program === "npm" && args[0] === "run") return expect(scripts()).toHaveProperty([args[1]!]);
    if (program === "node") return expect(existsSync(join(root, args.find((arg) => !arg.startsWith("-"))!))).toBe(true);
    if (first === "npx") return expect(existsSync(join(root, "node_modules", ".bin", program!))).toBe(true);
    expect(["npm", "git", "cd", "docker", "curl", "python3", "apt-get", "bun", "deno"]).toContain(program);
  });

  it("those of info run", async () => {
    const cheap = commands.map(({ words }) => words.slice(words.indexOf("repvgg") + 1)).filter(isCheap);
    const write = vi.spyOn(process.stdout, "write").mockReturnValue(true);
    try {
      for (const args of cheap) await runCommand(args);
      expect(write).toHaveBeenCalledTimes(cheap.length);
    } finally {
      write.mockRestore();
    }
  });
});

/** The words behind npx' own `-p PACKAGE`. */
function withoutPackages(words: readonly string[]): readonly string[] {
  return words[0] === "-p" ? withoutPackages(words.slice(2)) : words;
}

/** Only the zoo is asked: no file is read, nothing is trained. */
function isCheap([command, ...args]: readonly string[]): boolean {
  return command === "info" && args.every((arg) => !/[./]/.test(arg));
}

/** @throws UserError where the command line does not know what is asked for */
async function expectToParse(args: readonly string[]): Promise<void> {
  const program = await createProgram();
  for (const command of program.commands.flatMap((one) => [one, ...one.commands])) command.action(() => {});
  program.configureOutput({ writeOut: () => {}, outputError: () => {} });
  await program.parseAsync(args, { from: "user" }).catch((error: { code?: string; message: string }) => {
    if (!/^commander\.(help|helpDisplayed|version)$/.test(error.code ?? "")) throw error;
  });
}

function scripts(): Record<string, string> {
  return JSON.parse(readFileSync(join(root, "package.json"), "utf8")).scripts;
}

/** Messages of the compiler on a module of the reader's, strict, with this package installed. */
function typeErrors(text: string): string[] {
  const file = join(workplace, "example.mts");
  writeFileSync(file, text);
  const program = ts.createProgram([file], {
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    target: ts.ScriptTarget.ES2023,
    lib: ["lib.es2023.d.ts", "lib.dom.d.ts"],
    types: ["node"],
    typeRoots: [join(root, "node_modules", "@types")],
    strict: true,
    noEmit: true,
    skipLibCheck: true,
  });
  return ts
    .getPreEmitDiagnostics(program)
    .map(
      ({ messageText, file: where, start }) =>
        `${where ? `${basename(where.fileName)}:${where.getLineAndCharacterOfPosition(start ?? 0).line + 1} ` : ""}${ts.flattenDiagnosticMessageText(messageText, " ")}`,
    );
}
