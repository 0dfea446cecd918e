import type { Backend, KernelCall, Pointer, Program } from "../backend/backend.js";
import { checkCalls, checksKernels, type Region } from "../backend/check-calls.js";
import { UserError } from "../core/errors.js";
import type { Addresses, Step } from "../lowering/step.js";
import type { ConstantStore } from "./constant-store.js";
import type { PlacedStep, Plan } from "./plan/plan.js";

type Shapes = Readonly<Record<string, readonly number[]>>;

/** A plan with its memory: its constants are loaded, its activations live in the session's arena. */
export interface Executable {
  readonly plan: Plan;
  readonly arena: Pointer;
  /** @throws UserError where a step met numbers that it gives no right result for (an index outside). */
  run(): void;
  /** One program a step, for the caller to run in order and to dispose. */
  compileSteps(): Program[];
}

interface Entry {
  readonly plan: Plan;
  executable: (Executable & { readonly program: Program }) | undefined;
}

/**
 * Plans by input shape, the least recently used dropped first. They run one at a time and share one arena, as large as the largest
 * needs, and their constants where these are the same.
 */
export class PlanCache {
  readonly #entries = new Map<string, Entry>();
  #arena: { readonly pointer: Pointer; readonly words: number } | undefined;

  constructor(
    readonly backend: Backend,
    readonly store: ConstantStore,
    readonly build: (shapes: Shapes) => Plan,
    readonly capacity: number,
  ) {}

  get(shapes: Shapes): Executable {
    const key = keyOf(shapes);
    let entry = this.#entries.get(key);
    if (entry === undefined) {
      const plan = this.build(shapes);
      this.store.acquire(plan.constants);
      entry = { plan, executable: undefined };
    }
    this.#entries.delete(key);
    this.#entries.set(key, entry); // the most recently used is last
    if (this.#entries.size > this.capacity) this.#drop(this.#entries.keys().next().value!);
    entry.executable ??= this.#compile(entry.plan);
    return entry.executable;
  }

  dispose(): void {
    for (const key of [...this.#entries.keys()]) this.#drop(key);
    if (this.#arena) this.backend.free(this.#arena.pointer);
    this.#arena = undefined;
  }

  #drop(key: string): void {
    const entry = this.#entries.get(key)!;
    this.#entries.delete(key);
    entry.executable?.program.dispose();
    this.store.release(entry.plan.constants);
  }

  #compile(plan: Plan): NonNullable<Entry["executable"]> {
    const arena = this.#arenaFor(plan.arenaWords);
    const calls = plan.steps.map((placed) => this.#calls(placed, arena));
    const status = arena + plan.status.offset;
    const { words } = plan.status;
    const clear: KernelCall = { kernel: "fill", args: { y: status, n: words, value: 0 } };
    const program = this.backend.compile([...(words > 0 ? [clear] : []), ...calls.flat()]);
    return {
      plan,
      arena,
      program,
      run: () => {
        program.run();
        if (words > 0) checkStatus(plan, this.backend.f32(status, words));
      },
      compileSteps: () => calls.map((stepCalls) => this.backend.compile(stepCalls)),
    };
  }

  /** Grows the arena where it is too small; programs of other plans have its old address in them and are made anew when next used. */
  #arenaFor(words: number): Pointer {
    if (this.#arena && this.#arena.words >= words) return this.#arena.pointer;
    for (const entry of this.#entries.values()) {
      entry.executable?.program.dispose();
      entry.executable = undefined;
    }
    if (this.#arena) this.backend.free(this.#arena.pointer);
    this.#arena = undefined;
    this.#arena = { pointer: this.backend.allocate(words), words };
    return this.#arena.pointer;
  }

  #calls({ step, offsetOf, workspaceOffset, statusOffset }: PlacedStep, arena: Pointer): readonly KernelCall[] {
    const at: Addresses = {
      of: (buffer) => arena + offsetOf(buffer),
      constant: (constant) => this.store.pointer(constant),
      workspace: step.workspaceWords > 0 ? arena + workspaceOffset : 0,
      status: statusOffset === undefined ? 0 : arena + statusOffset,
    };
    const calls = step.calls(at);
    if (checksKernels) checkCalls(calls, regionsOf(step, at), this.backend, `step "${step.name}" (${step.op})`);
    return calls;
  }
}

/** All memory that a step has declared. */
function regionsOf({ reads, write, constants, workspaceWords, refusal }: Step, at: Addresses): Region[] {
  const region = (name: string, from: Pointer, words: number, writable: boolean): Region => ({
    name,
    from,
    words,
    writable,
  });
  return [
    region(write.name, at.of(write), write.words, true),
    ...reads.map((buffer) => region(buffer.name, at.of(buffer), buffer.words, false)),
    ...constants.map((constant) => region(constant.key, at.constant(constant), constant.words, false)),
    ...(workspaceWords > 0 ? [region("workspace", at.workspace, workspaceWords, true)] : []),
    ...(refusal ? [region("status", at.status, 1, true)] : []),
  ];
}

/** @throws UserError for the first step that has refused its operands. */
function checkStatus({ steps, status }: Plan, words: Float32Array): void {
  for (const { step, statusOffset } of steps) {
    if (statusOffset !== undefined && words[statusOffset - status.offset] !== 0) throw new UserError(step.refusal!);
  }
}

function keyOf(shapes: Shapes): string {
  return Object.entries(shapes)
    .map(([name, shape]) => `${name}:${shape.join("x")}`)
    .join(" ");
}
