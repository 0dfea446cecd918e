import {
  createEngine,
  type Engine,
  type EngineNet,
  type EnginePictures,
  fashionMnistClasses,
  type Training,
} from "repvgg/browser";
import testImages from "../../../../assets/fashion-mnist/t10k-images-idx3-ubyte.gz?url";
import testLabels from "../../../../assets/fashion-mnist/t10k-labels-idx1-ubyte.gz?url";
import trainImages from "../../../../assets/fashion-mnist/train-images-idx3-ubyte.gz?url";
import trainLabels from "../../../../assets/fashion-mnist/train-labels-idx1-ubyte.gz?url";

/** Branches beside the 3×3 one. */
export interface Branches {
  readonly pointwise: boolean;
  readonly identity: boolean;
}

/** A curve's point: optimizer steps done, and a number. */
export interface Point {
  readonly x: number;
  readonly y: number;
}

/** A test picture and what the net says of it now. */
export interface Watch {
  readonly pixels: Uint8Array;
  readonly label: string;
  readonly guess: string | undefined;
  readonly probability: number;
}

export interface FoldedResult {
  readonly verification: Awaited<ReturnType<EngineNet["verify"]>>;
  readonly nodes: { readonly train: number; readonly plain: number };
}

export type RunState = "idle" | "opening" | "running" | "paused" | "finished" | "failed";

/** Test pictures that are asked for again and again: enough for a curve. The first of them are shown. */
const watchedCount = 400;
export const shownCount = 24;
const watchEvery = 10;
const comparedCount = 200;

/** One training from first to last step; what it shows is state of Svelte's. */
export class TrainingRun {
  state = $state<RunState>("idle");
  error = $state<string>();
  step = $state(0);
  totalSteps = $state(0);
  /** Seconds of training, pauses taken out. */
  seconds = $state(0);
  loss = $state.raw<readonly Point[]>([]);
  /** Of the watched test pictures. */
  accuracy = $state.raw<readonly Point[]>([]);
  /** Of the training pictures that are kept aside, after each epoch. */
  epochs = $state.raw<readonly Point[]>([]);
  /** Share of all test pictures that the net of the best epoch names right: looked at once, at the end. */
  test = $state<number>();
  watches = $state.raw<readonly Watch[]>([]);
  folded = $state.raw<FoldedResult>();
  kernels = $state("");
  #pictures: EnginePictures | undefined;
  #training: Training | undefined;
  #net: EngineNet | undefined;
  #labels: readonly string[] = [];
  #since = 0;
  #before = 0;

  constructor(
    readonly branches: Branches,
    readonly seed: number,
    readonly epochCount: number,
  ) {}

  async start(): Promise<void> {
    this.state = "opening";
    try {
      const [engine, pictures] = await openEngine();
      this.#pictures = pictures;
      this.kernels = engine.kernels.name;
      const indices = Array.from({ length: watchedCount }, (_, i) =>
        Math.floor((i * pictures.info.test) / watchedCount),
      );
      const watched = await pictures.read("test", indices);
      this.#labels = watched.map(({ label }) => fashionMnistClasses[label]!);
      this.watches = watched.slice(0, shownCount).map(({ picture, label }) => ({
        pixels: picture.data,
        label: fashionMnistClasses[label]!,
        guess: undefined,
        probability: 0,
      }));
      const net = await engine.create("nano", {
        seed: this.seed,
        branches: this.branches,
        classNames: fashionMnistClasses,
        inputSize: 28,
      });
      if (this.state !== "opening") return;
      this.state = "running";
      this.#since = performance.now();
      this.#training = engine.train(net, pictures, {
        epochs: this.epochCount,
        seed: this.seed,
        batchSize: 64,
        augmentation: "flip",
        watch: { indices, everySteps: watchEvery },
        onStep: ({ step, stepsPerEpoch, loss }) => {
          this.step = step;
          this.totalSteps = stepsPerEpoch * this.epochCount;
          this.seconds = this.#elapsed();
          if (step % 2 === 0 || step < 20) this.loss = [...this.loss, { x: step, y: loss }];
        },
        onWatched: ({ step, probabilities }) => this.#see(step, probabilities),
        onEpoch: ({ step, validation }) => {
          this.epochs = [...this.epochs, { x: step, y: validation?.top1 ?? 0 }];
        },
      });
      const { net: trained, interrupted, test } = await this.#training.finished;
      net.dispose();
      this.#net = trained;
      this.test = test?.top1;
      this.seconds = this.#elapsed();
      this.state = interrupted ? "idle" : "finished";
    } catch (error) {
      this.error = error instanceof Error ? error.message : String(error);
      this.state = "failed";
    }
  }

  pause(): void {
    if (this.state !== "running") return;
    this.#training?.pause();
    this.#before = this.#elapsed();
    this.state = "paused";
  }

  resume(): void {
    if (this.state !== "paused") return;
    this.#since = performance.now();
    this.#training?.resume();
    this.state = "running";
  }

  /** Ends it for good; nothing of it is kept in the engine. */
  stop(): void {
    this.#training?.stop();
    if (this.state !== "finished") this.state = "idle";
    void this.#training?.finished.then(({ net }) => net.dispose()).catch(() => {});
  }

  /** Folds the net as it is now, and compares both forms on test pictures. */
  async fold(): Promise<void> {
    try {
      const net = await this.#trained();
      const { net: plain } = await net.fold();
      const indices = Array.from({ length: comparedCount }, (_, i) => i);
      const pictures = (await this.#pictures!.read("test", indices)).map(({ picture }) => picture);
      const verification = await net.verify(plain, { pictures });
      this.folded = { verification, nodes: { train: net.info.nodes.length, plain: plain.info.nodes.length } };
      plain.dispose();
    } catch (error) {
      this.error = error instanceof Error ? error.message : String(error);
    }
  }

  /** The net as it is now, as a file. */
  async file(): Promise<File> {
    const blob = await (await this.#trained()).save("safetensors");
    return new File([blob], `nano trained here, seed ${this.seed}.safetensors`);
  }

  async #trained(): Promise<EngineNet> {
    return this.#net ?? (await this.#training!.snapshot());
  }

  #elapsed(): number {
    const running = this.state === "running" || this.state === "finished" ? performance.now() - this.#since : 0;
    return this.state === "paused" ? this.#before : this.#before + running / 1000;
  }

  #see(step: number, probabilities: readonly ArrayLike<number>[]): void {
    const guesses = probabilities.map((row) => largestOf(row));
    const right = guesses.filter((guess, i) => fashionMnistClasses[guess] === this.#labels[i]).length;
    this.accuracy = [...this.accuracy, { x: step, y: right / guesses.length }];
    this.watches = this.watches.map((watch, i) => ({
      ...watch,
      guess: fashionMnistClasses[guesses[i]!]!,
      probability: probabilities[i]![guesses[i]!]!,
    }));
  }
}

let opened: Promise<[Engine, EnginePictures]> | undefined;

/** An engine for training alone: the other panels' nets answer meanwhile. */
function openEngine(): Promise<[Engine, EnginePictures]> {
  opened ??= createEngine().then(async (engine): Promise<[Engine, EnginePictures]> => {
    const pictures = await engine.openPictures({
      name: "fashion-mnist-subset",
      classNames: fashionMnistClasses,
      train: { images: trainImages, labels: trainLabels },
      test: { images: testImages, labels: testLabels },
    });
    return [engine, pictures];
  });
  opened.catch(() => {
    opened = undefined;
  });
  return opened;
}

function largestOf(row: ArrayLike<number>): number {
  let largest = 0;
  for (let i = 1; i < row.length; i++) if (row[i]! > row[largest]!) largest = i;
  return largest;
}
