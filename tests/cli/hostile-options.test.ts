import { lstatSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Command, Option } from "commander";
import { describe, expect, it } from "vitest";
import { createProgram, runCommand } from "#repvgg/cli/program.js";
import { UserError } from "#repvgg/core/errors.js";
import { fileFolder } from "./support.js";

const hostile = [
  ...[
    "",
    " ",
    "x",
    "-1",
    "-0",
    "0",
    "1",
    "1.5",
    "-5",
    "1e999",
    "-Infinity",
    "NaN",
    "0x10",
    "1e3",
    "٣",
    "99999999999999999999",
  ],
  ...[",", "1,", ",1", "1,,2", "1,x", "0,0", "1;2", "null", "__proto__", "a\nb", "a.b.c", "/", "…".repeat(300)],
];

const folder = fileFolder();
/** Where nothing is: whatever a command is asked to do, it ends before it works. */
const nowhere = join(folder, "nowhere.safetensors");

/** Begin to work without being asked for files: of these only the options are read. */
const withoutInput = ["quickstart", "playground"];

const program = await createProgram();
const options = program.commands.flatMap((command) =>
  command.options.filter(takesValue).map((option) => ({ name: `${command.name()} ${option.long}`, command, option })),
);

function takesValue(option: Option): boolean {
  return option.required || option.optional;
}

/** What a command that writes has to be told: without it that alone would be the error. */
function outputOf(command: Command): string[] {
  const mandatory = command.options.filter((option) => option.mandatory);
  return mandatory.map((option) => `${option.long}=${join(folder, "out.onnx")}`);
}

const argumentsOf = (command: Command): string[] => command.registeredArguments.map(() => nowhere);

/** What the command line says to one option's value; undefined where it takes it and ends well. */
async function saidTo(command: Command, option: Option, value: string): Promise<unknown> {
  const line = [command.name(), ...argumentsOf(command), `${option.long}=${value}`, "--quiet"];
  if (withoutInput.includes(command.name())) {
    const fresh = await createProgram([command.name()]);
    fresh.commands.find((known) => known.name() === command.name())!.action(() => {});
    return fresh.parseAsync(line, { from: "user" }).then(
      () => undefined,
      (error: unknown) => error,
    );
  }
  return runCommand(line).then(
    () => undefined,
    (error: unknown) => error,
  );
}

/** Whether an error is ours: one line, and what to do. */
function isPlain(error: unknown): boolean {
  if (error === undefined || (error as { code?: string }).code === "commander.invalidArgument") return true;
  return (
    error instanceof UserError &&
    Boolean(error.remedy) &&
    !/\n|\bE[A-Z]{4,}\b/.test(error.message.replaceAll(folder, ""))
  );
}

describe("every option of every command", () => {
  it("is known to this test", () => expect(options.length).toBeGreaterThan(100));

  it.each(options)("$name: hostile values are errors of one line with a remedy", async ({ command, option }) => {
    const wrong: string[] = [];
    for (const value of hostile) {
      const error = await saidTo(command, option, value);
      if (!isPlain(error)) wrong.push(`${JSON.stringify(value)}: ${error}`);
    }
    expect(wrong).toEqual([]);
  });
});

describe("every argument of every command", () => {
  const takers = program.commands.filter((command) => command.registeredArguments.length > 0);

  it.each(takers.map((command) => ({ name: command.name(), command })))(
    "$name: hostile ones are errors of one line with a remedy",
    async ({ command }) => {
      const file = join(folder, "a-file");
      writeFileSync(file, "text");
      const loop = join(folder, "loop");
      if (!lstatSync(loop, { throwIfNoEntry: false })) symlinkSync("loop", loop);
      const places = [
        folder,
        file,
        join(file, "below"),
        loop,
        "/dev/null/x",
        "https://127.0.0.1:9/x",
        `${"x".repeat(300)}.onnx`,
      ];
      const wrong: string[] = [];
      for (const value of [...hostile.filter((text) => !text.startsWith("-")), ...places]) {
        for (const [at] of command.registeredArguments.entries()) {
          const given = argumentsOf(command).map((usual, i) => (i === at ? value : usual));
          const error = await runCommand([command.name(), ...given, ...outputOf(command), "--quiet"]).catch(
            (thrown: unknown) => thrown,
          );
          if (error === undefined || !isPlain(error)) wrong.push(`${at} ${JSON.stringify(value)}: ${error}`);
        }
      }
      expect(wrong).toEqual([]);
    },
  );
});

describe("every option that names a place to write", () => {
  const targets = options.filter(({ option }) => /^--(out|output|html|picture|csv|trace|report)$/.test(option.long!));

  it("is known to this test", () => expect(targets.length).toBeGreaterThan(8));

  it.each(targets)("$name: places where nothing can be written are errors of one line", async ({ command, option }) => {
    const file = join(folder, "a-file");
    writeFileSync(file, "text");
    const wrong: string[] = [];
    for (const place of [join(file, "below.onnx"), "/dev/null/x.html", `/proc/none/${option.long}.svg`]) {
      const error = await saidTo(command, option, place);
      if (!isPlain(error)) wrong.push(`${place}: ${error}`);
    }
    expect(wrong).toEqual([]);
  });
});
