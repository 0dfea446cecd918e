import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { decodeRuns, type StudyRun } from "#repvgg/ablation/depth/results.js";
import { runStudy } from "#repvgg/ablation/depth/study.node.js";
import { fashionPictures, fileFolder, oneLine, repvgg, repvggJson } from "../../cli/support.js";
import { htmlErrors } from "../../report/html.js";

interface Ended {
  readonly out: string;
  readonly interrupted: boolean;
  readonly done: number;
  readonly remaining: readonly string[];
}

const folder = fileFolder();
const reference = join(folder, "reference");
const settings = [
  ...["--layers", "6,5", "--widths", "8,8,8,8,8", "--pictures", "100", "--choice-pictures", "50"],
  ...["--epochs", "2", "--batch-size", "20", "--choose-epochs", "1", "--choose-rates", "0.1"],
  ...["--variants", "base:1,no-branches:1,dirac:1"],
];
let pictures: string;
let first: Ended;

const study = (...args: string[]): Promise<Ended> =>
  repvggJson<Ended & Record<string, unknown>>(["ablate", "depth", ...args]);
const runsOf = (out: string): StudyRun[] => decodeRuns(readFileSync(join(out, "results.jsonl"), "utf8"), out);
const byName = (runs: readonly StudyRun[]): Map<string, StudyRun> =>
  new Map(runs.map((run) => [`${run.part.kind} ${run.part.layers} ${run.part.variant} ${run.part.seed}`, run]));

/** Parts under way. */
const checkpoints = (out: string): number =>
  existsSync(join(out, "parts"))
    ? readdirSync(join(out, "parts"), { recursive: true }).filter((name) => String(name).endsWith("last.safetensors"))
        .length
    : 0;

/** What has to be the same however often a run was stopped. */
const outcome = ({ stepSeconds: _, peakBytes: __, ...run }: StudyRun): object => run;

beforeAll(async () => {
  pictures = await fashionPictures(folder, { train: 200, test: 50 });
  first = await study(pictures, ...settings, "--out", reference);
});

describe("repvgg ablate depth", () => {
  it("trains every variant at every depth, and judges each once", () => {
    expect(first).toMatchObject({ out: reference, interrupted: false, done: 6, remaining: [] });
    for (const run of runsOf(reference)) {
      const { part, judged, fitted, epochLosses, gradients, stepSeconds, peakBytes } = run;
      expect(judged!.pictures).toBe(50);
      expect(fitted!.pictures).toBe(100);
      expect(epochLosses).toHaveLength(2);
      for (const norms of [gradients.start, gradients.end]) {
        expect(norms).toHaveLength(part.layers);
        expect(Math.min(...norms)).toBeGreaterThan(0);
      }
      expect(stepSeconds).toBeGreaterThan(0);
      expect(peakBytes).toBeGreaterThan(1e5);
    }
    expect(checkpoints(reference)).toBe(0);
    expect(htmlErrors(readFileSync(join(reference, "report.html"), "utf8"))).toEqual([]);
  });

  it("goes on after SIGKILL and after being stopped again and again, and ends with the same bits", async () => {
    const out = join(folder, "killed");
    const killed = await repvgg(["ablate", "depth", pictures, ...settings, "--out", out, "--jobs", "1"], {
      onStderr: (text, kill) => void (/seed-0: test top-1/.test(text) && kill("SIGKILL")),
    });
    expect(killed.code).toBeNull();
    const before = readFileSync(join(out, "results.jsonl"), "utf8");
    expect(runsOf(out).length).toBeLessThan(6);
    // A line that the kill cut off is no result.
    writeFileSync(join(out, "results.jsonl"), `${before}${before.slice(0, 100)}`);
    // Each session is stopped at its first step that is heard of; the last one is not. (Inside a part: train-part.test.ts.)
    for (const stopped of [true, true, true, false]) {
      const stop = new AbortController();
      await runStudy(out, { jobs: 1, signal: stop.signal, onProgress: () => stopped && stop.abort() });
    }
    const [again, whole] = [byName(runsOf(out)), byName(runsOf(reference))];
    expect([...again.keys()].sort()).toEqual([...whole.keys()].sort());
    for (const [name, run] of whole) expect(outcome(again.get(name)!), name).toEqual(outcome(run));
    expect(readFileSync(join(out, "results.jsonl"), "utf8").startsWith(before)).toBe(true);
    expect(checkpoints(out)).toBe(0);
  });

  it("writes the report of what is done, without the pictures", async () => {
    const out = join(folder, "reported");
    cpSync(join(reference, "study.json"), join(out, "study.json"));
    const plan = readFileSync(join(out, "study.json"), "utf8").replaceAll(pictures, join(folder, "gone"));
    writeFileSync(join(out, "study.json"), plan);
    cpSync(join(reference, "results.jsonl"), join(out, "results.jsonl"));
    expect(await study("--resume", out, "--report")).toMatchObject({ done: 6, remaining: [] });
    const page = (of: string) => readFileSync(join(of, "report.md"), "utf8").replaceAll(/`.*`/g, "");
    expect(page(out)).toBe(page(reference));
  });

  it("stops when its budget is spent, and says what is left", async () => {
    const out = join(folder, "budget");
    const ended = await study(pictures, ...settings, "--out", out, "--budget", "0.0001");
    expect(ended).toMatchObject({ done: 0, interrupted: false });
    expect(ended.remaining).toHaveLength(6);
  });

  it("needs study.json and results.jsonl only: pictures may lie elsewhere, and what is done stays done", async () => {
    const out = join(folder, "moved");
    const elsewhere = join(folder, "elsewhere");
    cpSync(pictures, elsewhere, { recursive: true });
    cpSync(join(reference, "study.json"), join(out, "study.json"));
    const lines = readFileSync(join(reference, "results.jsonl"), "utf8").split("\n").slice(0, -1);
    writeFileSync(join(out, "results.jsonl"), `${lines.slice(1).join("\n")}\n`);
    const plan = JSON.parse(readFileSync(join(out, "study.json"), "utf8"));
    writeFileSync(
      join(out, "study.json"),
      JSON.stringify({ ...plan, data: { ...plan.data, place: join(folder, "gone") } }),
    );
    expect(await study(elsewhere, "--resume", out)).toMatchObject({ done: 6, remaining: [] });
    const missing = JSON.parse(lines[0]!) as StudyRun;
    const retrained = runsOf(out).at(-1)!;
    expect(outcome(retrained)).toEqual(outcome(missing));
  });

  it("trains only the parts that are asked for, more seeds, and choices by held-out training pictures", async () => {
    const out = join(folder, "parts");
    const args = [...settings.slice(0, -2), "--out", out, "--variants", "base:1,no-branches:1"];
    expect((await study(pictures, ...args, "--parts", "5/base")).remaining).toEqual([
      ...["6/base/seed-0", "6/no-branches/seed-0", "5/no-branches/seed-0"],
    ]);
    const listed = await repvggJson<{ parts: { name: string; done: boolean }[] }>([
      "ablate",
      "depth",
      "--resume",
      out,
      "--list",
    ]);
    expect(listed.parts.filter(({ done }) => done).map(({ name }) => name)).toEqual(["5/base/seed-0"]);
    await study("--resume", out, "--choose", "--parts", "choice/5");
    const choices = runsOf(out).filter(({ part }) => part.kind === "choice");
    const judged = Object.fromEntries(
      choices.map((run) => [run.part.variant, [run.part.epochs, run.judged!.pictures]]),
    );
    expect(judged).toEqual({ base: [1, 50], "no-branches": [1, 50] });
    const rates = ["--learning-rates", "5/trivial=0.02", "--choose-rates", "0.2,0.3"];
    const more = await study("--resume", out, "--variants", "trivial:1", "--parts", "5/trivial", ...rates);
    const plan = JSON.parse(readFileSync(join(out, "study.json"), "utf8"));
    expect([plan.learningRates, plan.choices.learningRates]).toEqual([{ "5/trivial": 0.02 }, [0.2, 0.3]]);
    expect(more.remaining).toContain("6/trivial/seed-0");
    expect(byName(runsOf(out)).get("result 5 trivial 0")!.part.learningRate).toBe(0.02);
  });

  it("counts a training that diverges as that, and goes on", async () => {
    const out = join(folder, "diverged");
    const args = [...settings, "--learning-rate", "1e30", "--warmup-epochs", "0", "--parts", "5/no-branches"];
    await study(pictures, ...args, "--out", out);
    expect(runsOf(out)).toMatchObject([{ judged: null, fitted: null, gradients: { end: [] } }]);
    expect(readFileSync(join(out, "report.html"), "utf8")).toContain("diverged");
  });

  it("refuses what it cannot do, in a line", async () => {
    const depth = (...args: string[]) => repvgg(["ablate", "depth", ...args]);
    expect(await depth()).toEqual(
      oneLine(
        "expected data to train on, or --resume, received neither: for example: repvgg ablate depth path/to/pictures",
      ),
    );
    expect(await depth(pictures, "--out", reference)).toEqual(
      oneLine(
        `expected a new folder for the study, received ${reference}, which holds one: go on with it by --resume, or name another folder by --out`,
      ),
    );
    expect(await depth("--resume", reference, "--epochs", "3")).toEqual(
      oneLine("expected a resumed study to keep its settings, received --epochs: leave them out, or begin a new one"),
    );
    expect(await depth("--resume", reference, "--learning-rates", "6/base=0.2")).toEqual(
      oneLine(
        "expected the learning rate of what is trained already to stay, received 0.2 for 6/base/seed-0, which has a result with 0.1: begin a new study",
      ),
    );
    expect(await depth("--resume", folder)).toEqual(
      oneLine(
        `expected the folder of a depth study (with study.json), received ${folder}: start one with: repvgg ablate depth DATA --out FOLDER`,
      ),
    );
    expect(await depth(pictures, "--pictures", "100", "--out", join(folder, "x"))).toEqual(
      oneLine(
        'expected at least 510 training pictures of class "Ankle boot", received 20, and 100 + 5000 asked for of 10 classes: ask for fewer (--pictures, --choice-pictures)',
      ),
    );
    const few = [...settings, "--batch-size", "101", "--out", join(folder, "x")];
    expect(await depth(pictures, ...few)).toEqual(
      oneLine(
        "expected at least 101 pictures to train on, a batch, received 100: use a smaller batch (--batch-size) or more pictures (--pictures)",
      ),
    );
    expect((await depth("--resume", reference, "--learning-rates", "6/acbb=0.1")).stderr).toContain(
      'did you mean "acb"?',
    );
    expect((await depth(pictures, "--learning-rates", "x")).stderr).toContain("LAYERS=RATE or LAYERS/VARIANT=RATE");
    expect((await depth("--resume", reference, "--parts", "7")).stderr).toContain('received "7", which names none');
    expect((await depth("--resume", reference, "--variants", "acbb:1")).stderr).toContain('did you mean "acb"?');
    expect((await depth(pictures, "--buget", "3")).stderr).toContain("did you mean --budget?");
    expect((await depth(pictures, "--budget", "1e9")).stderr).toContain(
      'expected --budget to be a number from 0 to 10000, received "1e9": see repvgg ablate depth --help',
    );
  });
});
