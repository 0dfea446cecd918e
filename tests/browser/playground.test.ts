import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import type { Page } from "playwright-core";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { RunningSite } from "#repvgg/serve/static-files.node.js";
import { fileOf, repvggJson, testFolder } from "../cli/support.js";
import { openPanel, startPlayground, textOf } from "./playground-support.js";
import { accessibilityViolations, root } from "./support.js";

// Nothing here takes that long by itself; other test files compute beside it.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });

const oracle = (name: string): string => join(root, "tests/fixtures/oracles", name);
const ready = ".scrubber input:enabled";

let site: RunningSite;
beforeAll(async () => {
  site = await startPlayground();
});
afterAll(() => site.close());

/** Runs on a panel and closes it; what the page or its workers complain of fails the test. */
async function onPanel(address: string, work: (page: Page) => Promise<void>): Promise<void> {
  const { page, errors, close } = await openPanel(site, address);
  try {
    await work(page);
    // A request that is given up, by a reload for one, is no fault.
    expect(errors.filter((error) => !error.endsWith("ERR_ABORTED"))).toEqual([]);
  } finally {
    await close();
  }
}

describe("the fold panel", () => {
  it("carries a block through the fold, by keyboard, and keeps its place in the address", () =>
    onPanel("fold", async (page) => {
      const slider = page.getByRole("slider", { name: "Step of the fold" });
      await page.waitForSelector(ready);
      expect(await textOf(page, ".net dl")).toMatch(/nodes 61/);
      await slider.focus();
      const headings: string[] = [];
      for (let step = 0; step < 5; step++) {
        headings.push(await textOf(page, ".explanation h2"));
        if (step < 4) await page.keyboard.press("ArrowRight");
      }
      expect(new Set(headings).size).toBe(5);
      expect(await slider.getAttribute("aria-valuetext")).toMatch(/^Step 5 of 5/);
      expect(await textOf(page, ".net dl")).toMatch(/nodes 19/);

      await page.getByRole("radio", { name: /stage2\.1/ }).click();
      await page.waitForFunction(() => document.querySelector(".where")?.textContent?.includes("stage2.1"));
      await page.getByText("Choose other channels").click();
      await page.getByLabel("to channel").fill("5");
      await page.keyboard.press("Tab");
      await page.waitForFunction(() => document.querySelector("caption")?.textContent?.includes("to channel 5"));
      await page.waitForFunction(() => location.hash.includes("block=stage2.1") && location.hash.includes("o=5"));

      await page.reload();
      await page.waitForSelector(ready);
      await page.waitForFunction(() => document.querySelector("caption")?.textContent?.includes("to channel 5"));
      expect(await textOf(page, ".where")).toContain("stage2.1");
      expect(await page.getByRole("slider", { name: "Step of the fold" }).getAttribute("aria-valuetext")).toMatch(
        /^Step 5/,
      );
    }));

  it("shows every cell's numbers, and the sum is theirs", () =>
    onPanel("fold?step=3", async (page) => {
      await page.waitForSelector(ready);
      await page.locator('.kernel button[aria-label^="centre"]:visible').focus();
      await page.keyboard.press("ArrowUp");
      await page.waitForFunction(() => document.querySelector("caption")?.textContent?.includes("The top cell"));
      const cells = await page.locator("tr:has-text('kernel') td").allInnerTexts();
      const numbers = cells.map((cell) => Number(cell.replace("−", "-")));
      const sum = numbers.pop()!;
      expect(numbers).toHaveLength(3);
      expect(Math.abs(numbers.reduce((a, b) => a + b) - sum)).toBeLessThan(0.003);
    }));

  it("proves both forms equal on the picture that was chosen", () =>
    onPanel("fold", async (page) => {
      const verdict = page.locator(".verdict");
      await verdict.waitFor();
      const before = await verdict.innerText();
      await page.getByRole("button", { name: "horses on a hill" }).click();
      await page.waitForFunction((text) => document.querySelector(".verdict")?.textContent?.trim() !== text, before);
      expect(await verdict.innerText()).toMatch(/differ by at most\s+\d\.\d × 10⁻[⁵⁶⁷⁸]/);
    }));

  it("gives the plain net as files that verify against the original", async () => {
    const folder = testFolder();
    await onPanel("fold?model=tiny", async (page) => {
      await page.waitForSelector(ready);
      const names: string[] = [];
      for (const format of ["safetensors", "ONNX"]) {
        const [download] = await Promise.all([
          page.waitForEvent("download"),
          page.getByRole("button", { name: `Download ${format}` }).click(),
        ]);
        names.push(join(folder, download.suggestedFilename()));
        await download.saveAs(names.at(-1)!);
      }
      expect(names.map((name) => name.split("/").at(-1))).toEqual([
        "RepVGG-tiny-plain.safetensors",
        "RepVGG-tiny-plain.onnx",
      ]);
      const compared = await repvggJson<{ agree: boolean }>(["verify", ...names]);
      expect(compared.agree).toBe(true);
    });
    await onPanel("fold", async (page) => {
      await page.waitForSelector(ready);
      const [download] = await Promise.all([
        page.waitForEvent("download"),
        page.getByRole("button", { name: "Download safetensors" }).click(),
      ]);
      const plain = join(folder, download.suggestedFilename());
      await download.saveAs(plain);
      const original = join(root, "assets/models/cifar10/train.safetensors");
      expect((await repvggJson<{ agree: boolean }>(["verify", original, plain])).agree).toBe(true);
    });
  });

  it("opens checkpoints and graphs of others, says what is wrong with a broken file, and lives on", () =>
    onPanel("fold", async (page) => {
      await page.waitForSelector(ready);
      const file = page.getByLabel("Model file");
      const broken = fileOf(testFolder(), "broken.onnx", "this is no net");
      await file.setInputFiles(broken);
      const alert = page.getByRole("alert").filter({ hasText: "broken.onnx" });
      await alert.waitFor();
      expect((await alert.innerText()).replace(/\s+/g, " ")).toMatch(
        /^broken\.onnx did not open: expected .*, received/,
      );
      expect(await textOf(page, ".net dl")).toMatch(/nodes 61/);

      await file.setInputFiles(oracle("tiny-train.pth"));
      await page.waitForFunction(() => document.querySelector(".net select")?.textContent?.includes("tiny-train.pth"));
      await page.getByRole("slider", { name: "Step of the fold" }).press("End");
      expect(await textOf(page, ".explanation h2")).toMatch(/many boxes become few/);

      await file.setInputFiles(oracle("block-dbb-bn.onnx"));
      await page.getByRole("heading", { name: /folded into one convolution each/ }).waitFor();
      await page.locator(".net select").selectOption("nano");
      await page.waitForSelector(ready);
      expect(await textOf(page, ".net dl")).toMatch(/nodes 17 51 with branches/);
    }));
});

describe("the classify panel", () => {
  it("answers for samples and files, in the order of the bars", () =>
    onPanel("classify", async (page) => {
      const bars = page.getByRole("list", { name: "The five likeliest classes" }).getByRole("listitem");
      await bars.first().waitFor();
      const parts = (await bars.allInnerTexts()).map((text) => Number(/([\d.]+)\s%/.exec(text)![1]));
      expect(parts).toHaveLength(5);
      expect(parts).toEqual([...parts].sort((a, b) => b - a));
      const before = await bars.allInnerTexts();
      await page.getByRole("button", { name: "a white duck" }).press("Enter");
      await page.waitForFunction(
        (text) => document.querySelector(".bars")?.textContent?.replace(/\s/g, "") !== text,
        before.join("").replace(/\s/g, ""),
      );
      await page.waitForFunction(() => location.hash.includes("picture=duck"));
      await page.getByLabel("Picture file").setInputFiles(join(root, "assets/fashion-mnist/ankle-boot.png"));
      await page.getByAltText("your picture ankle-boot.png").waitFor();

      await page.getByLabel("Picture file").setInputFiles(fileOf(testFolder(), "broken.png", "no picture"));
      await page.getByRole("alert").filter({ hasText: "No answer" }).waitFor();
      await page.getByRole("button", { name: "a German shepherd" }).click();
      await bars.first().waitFor();
    }));

  it("takes what a file does not say from the visitor, and says what is wrong with it", () =>
    onPanel("classify", async (page) => {
      await page.getByLabel("Model file").setInputFiles(oracle("tiny-train.pth"));
      const bars = page.getByRole("list", { name: "The five likeliest classes" });
      await page.getByText("Say what the file does not").click();
      await page.getByLabel("Mean").fill("0.5, half, 0.5");
      await page.getByRole("button", { name: "Open it so" }).click();
      await page.getByRole("alert").filter({ hasText: 'expected numbers as the mean, received "half"' }).waitFor();
      await page.getByLabel("Mean").fill("0.5, 0.5, 0.5");
      await page.getByLabel("Standard deviation").fill("0.25 0.25 0.25");
      await page.getByLabel("Size").fill("48 × 32");
      await page.getByRole("textbox", { name: "Class names" }).fill("one\ntwo");
      await page.getByRole("button", { name: "Open it so" }).click();
      await page
        .getByRole("alert")
        .filter({ hasText: /names for the net's 10 classes, received 2/ })
        .waitFor();
      const names = Array.from({ length: 10 }, (_, i) => `thing ${i}`);
      const list = { name: "labels.txt", mimeType: "text/plain", buffer: Buffer.from(`${names.join("\r\n")}\n`) };
      await page.getByLabel("File of class names").setInputFiles(list);
      await page.getByRole("button", { name: "Open it so" }).click();
      await bars.getByText("thing").first().waitFor();
      await page.getByText("to scale the picture to 48 × 32 pixels").waitFor();
    }));

  it("never shows an answer beside a picture that it does not belong to", () =>
    onPanel("classify", async (page) => {
      const bars = page.getByRole("list", { name: "The five likeliest classes" });
      await bars.waitFor();
      // 60 megapixels: decoding takes a while, and the page's thread is free meanwhile.
      const big = await sharp({ create: { width: 10_000, height: 6000, channels: 3, background: "red" } })
        .jpeg({ quality: 30 })
        .toBuffer();
      await page.getByLabel("Picture file").setInputFiles({ name: "big.jpg", mimeType: "image/jpeg", buffer: big });
      await page.getByAltText("your picture big.jpg").waitFor();
      expect(await bars.count()).toBe(0);
      expect(await textOf(page, ".answer [role=status]")).toBe("Looking at the picture…");
      await bars.waitFor();

      // A broken picture ends, and so does one that comes while a large one is looked at.
      await page.getByLabel("Picture file").setInputFiles({ name: "big.jpg", mimeType: "image/jpeg", buffer: big });
      await page
        .getByLabel("Picture file")
        .setInputFiles({ name: "cut.jpg", mimeType: "image/jpeg", buffer: big.subarray(0, 20) });
      await page.getByRole("alert").filter({ hasText: "cut.jpg (damaged JPEG)" }).waitFor();
      expect(await textOf(page, ".answer")).toContain("There is no answer to this picture. Choose another one.");
      expect(await textOf(page, ".picture")).toContain("This browser cannot show the picture.");
      expect(await bars.count()).toBe(0);
      await page.getByRole("button", { name: "a white duck" }).click();
      await bars.waitFor();
      expect(await page.getByRole("alert").innerText()).toBe("");
    }));

  it("ends where a net or a sample does not come", async () => {
    const { page, close } = await openPanel(site, "fold");
    try {
      await page.waitForSelector(ready);
      await page.route("**/*.jpg", (route) => route.abort());
      await page.evaluate(() => {
        location.hash = "#/classify?picture=moose";
      });
      await page.getByRole("alert").filter({ hasText: "The sample did not come" }).waitFor();
      expect(await textOf(page, ".answer")).toContain("There is no answer to this picture.");
      await page.route("**/*.safetensors", (route) => route.abort());
      await page.reload();
      await page.getByRole("alert").filter({ hasText: "The net did not open" }).waitFor();
      expect(await textOf(page, ".answer")).toContain("No net is open: choose one above, or open a file.");
    } finally {
      await close();
    }
  });

  it("measures its engine beside onnxruntime-web", () =>
    onPanel("classify?model=nano", async (page) => {
      const rows = page.getByRole("table", { name: "Latency" }).getByRole("row");
      for (const name of ["With branches 1 thread", "Plain 1 thread", "onnxruntime-web plain, 1 thread"]) {
        await page.getByRole("checkbox", { name }).check();
      }
      await page.getByRole("button", { name: "Measure" }).click();
      await page.waitForFunction(() =>
        /^([1-9]\d+) of/.test(document.querySelector(".head .number")?.textContent ?? ""),
      );
      await page.getByRole("button", { name: "Stop" }).click();
      for (const name of [/With branches 1 thread/, /Plain 1 thread/, /onnxruntime-web plain, 1 thread/]) {
        expect(await rows.filter({ hasText: name }).innerText()).toMatch(/\d\sms/);
      }
    }));
});

describe("the training panel", () => {
  it("learns to 80 % and more, waits when told to, folds, and shows its kernels", { timeout: 180_000 }, () =>
    onPanel("train?epochs=2", async (page) => {
      await page.getByRole("button", { name: "Train", exact: true }).click();
      await page.waitForFunction(() => document.querySelectorAll(".watched li.right").length > 3, undefined, {
        timeout: 60_000,
      });
      await page.getByRole("button", { name: "Pause" }).click();
      await page.getByRole("button", { name: "Go on" }).waitFor();
      expect(await accessibilityViolations(page)).toEqual([]);
      await page.getByRole("button", { name: "Go on" }).click();
      await page.getByRole("button", { name: "Train again" }).waitFor({ timeout: 120_000 });
      const accuracy = Number.parseFloat(await page.getByTestId("accuracy").innerText());
      expect(accuracy).toBeGreaterThanOrEqual(80);
      await page.getByRole("button", { name: "Fold it" }).click();
      await page.getByRole("heading", { name: "Folded: 51 nodes became 17" }).waitFor();
      expect(await textOf(page, "section:has(#folded) p")).toMatch(/the same class every time/);
      await page.getByRole("button", { name: "See its kernels fold" }).click();
      await page.waitForSelector(ready);
      expect(await textOf(page, ".net dl")).toMatch(/nodes 51/);
    }),
  );

  it("keeps numbers that are typed within their limits, on the page and in its address", () =>
    onPanel("train?epochs=-5&seed=1e9", async (page) => {
      const [seed, epochs] = [page.getByLabel("seed"), page.getByLabel("epochs")];
      expect([await seed.inputValue(), await epochs.inputValue()]).toEqual(["0", "6"]);
      for (const [typed, shown] of [
        ["-5", "1"],
        ["1000", "99"],
        ["2.4", "2"],
        ["", "6"],
        ["0", "1"],
      ] as const) {
        await epochs.fill(typed);
        await epochs.blur();
        expect(await epochs.inputValue(), typed).toBe(shown);
        await expect.poll(() => new URL(page.url()).hash.includes(`epochs=${shown}`)).toBe(shown !== "6");
      }
      await seed.fill("-1");
      await seed.blur();
      expect(await seed.inputValue()).toBe("0");
    }));

  it("trains without the branches that were switched off", { timeout: 120_000 }, () =>
    onPanel("train?epochs=1", async (page) => {
      await page.getByLabel("1×1").uncheck();
      await page.getByLabel("identity").uncheck();
      await page.waitForFunction(() => location.hash.includes("pointwise=0") && location.hash.includes("identity=0"));
      await page.getByRole("button", { name: "Train", exact: true }).click();
      await page.waitForFunction(() => document.querySelector("progress")!.value >= 12, undefined, { timeout: 60_000 });
      await page.getByRole("button", { name: "Pause" }).click();
      await page.getByRole("button", { name: "Fold it" }).click();
      await page.getByRole("heading", { name: "Folded: 24 nodes became 17" }).waitFor();
      await page.getByRole("button", { name: "Stop" }).click();
      await page.getByRole("button", { name: "Train", exact: true }).waitFor();
    }),
  );
});

describe("the why panel", () => {
  it("draws both plans, and tells what is alive where one looks", () =>
    onPanel("why", async (page) => {
      await page.waitForSelector(".charts");
      expect(await textOf(page, ".top dl")).toMatch(/576 KiB → 384 KiB/);
      const looked = await textOf(page, ".looked");
      const slider = page.getByRole("slider", { name: "Place along the net" });
      for (let i = 0; i < 12; i++) await slider.press("ArrowRight");
      expect(await textOf(page, ".looked")).not.toBe(looked);
      await page.getByLabel("Picture size").selectOption("64");
      await page.waitForFunction(() => document.querySelector(".top dl")?.textContent?.includes("2.25\u00a0MiB"));
      await page.getByText("All steps as a table").click();
      const rows = page.getByRole("region", { name: "Plain" }).getByRole("row");
      await rows.first().waitFor();
      expect(await rows.count()).toBe(12);
    }));
});

describe("without cross-origin isolation", () => {
  it("says so and runs on one thread", async () => {
    const plain = await startPlayground(false);
    const { page, errors, close } = await openPanel(plain, "classify");
    try {
      await page.getByRole("list", { name: "The five likeliest classes" }).waitFor();
      expect(await textOf(page, ".answer")).toMatch(/wasm simd, 1 thread/);
      expect(await textOf(page, "footer")).toMatch(/One thread: .*not cross-origin isolated/);
      expect(errors).toEqual([]);
    } finally {
      await close();
      await plain.close();
    }
  });
});

describe.each(["light", "dark"] as const)("in the %s scheme", (colorScheme) => {
  it.each([
    ["fold?step=2", ".maps figure:nth-child(4)"],
    ["classify", ".bars li"],
    ["train", ".charts"],
    ["why", ".charts"],
  ])("%s has no accessibility violation, and fits a phone", async (address, shown) => {
    const { page, errors, close } = await openPanel(site, address, {
      colorScheme,
      viewport: { width: 400, height: 800 },
    });
    try {
      await page.waitForSelector(shown);
      expect(await accessibilityViolations(page)).toEqual([]);
      expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(0);
      await page.setViewportSize({ width: 1280, height: 900 });
      expect(await accessibilityViolations(page)).toEqual([]);
      expect(errors).toEqual([]);
    } finally {
      await close();
    }
  });
});

describe("its size", () => {
  const folder = join(root, "playground/dist/assets");
  const packed = (name: string): number => gzipSync(readFileSync(join(folder, name)), { level: 9 }).length;

  it("is at most 230 KB of JavaScript for a visit of any panel, workers included, and 100 KB of kernels", async () => {
    for (const address of ["fold", "classify", "train", "why"]) {
      const { page, close } = await openPanel(site, "fold");
      const loaded = new Set<string>();
      page.on("response", (response) => loaded.add(new URL(response.url()).pathname.split("/").at(-1)!));
      await page.goto(new URL(`some/where/?again#/${address}`, site.url).href);
      await page.waitForLoadState("networkidle");
      await close();
      const scripts = [...loaded].filter((name) => name.endsWith(".js") && name !== "theme.js");
      expect(scripts.length).toBeGreaterThan(2);
      expect(scripts.reduce((sum, name) => sum + packed(name), 0)).toBeLessThanOrEqual(230_000);
    }
    for (const name of readdirSync(folder).filter((file) => file.endsWith(".wasm"))) {
      expect(packed(name)).toBeLessThanOrEqual(100_000);
    }
  });
});
