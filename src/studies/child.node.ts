import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";

export interface ChildOptions {
  /** Node's own flags. */
  readonly execArgv?: readonly string[];
}

/** A process of this package's, which answers one request at a time and ends with its channel. */
export class Child<Request extends object, Reply> {
  readonly #process: ChildProcess;
  #errors = "";

  /** @param main the script that it runs */
  constructor(main: URL, { execArgv = [] }: ChildOptions = {}) {
    this.#process = fork(fileURLToPath(main), [], {
      execArgv: [...execArgv],
      serialization: "advanced",
      stdio: ["ignore", "ignore", "pipe", "ipc"],
      // Ctrl-C reaches every process of a terminal's group, this one before it could say that the leading one decides.
      detached: process.platform !== "win32",
    });
    this.#process.stderr!.on("data", (data: Buffer) => {
      this.#errors = `${this.#errors}${data}`.slice(-4000);
    });
  }

  /**
   * @param interim takes replies that come before the answer: true for those
   * @throws Error when the process dies before it answers; the message has what it wrote to stderr last
   */
  ask(request: Request, interim: (reply: Reply) => boolean = () => false): Promise<Reply> {
    const child = this.#process;
    return new Promise((resolve, reject) => {
      const settled = (): void => void child.off("message", heard).off("exit", died).off("error", failed);
      const heard = (reply: Reply): void => {
        if (interim(reply)) return;
        settled();
        resolve(reply);
      };
      const failed = (error: Error): void => {
        settled();
        reject(error);
      };
      const died = (code: number | null, signal: NodeJS.Signals | null): void => {
        const last = this.#errors.trim();
        failed(new Error(`a process ended with ${signal ?? `code ${code}`}${last && `: ${last}`}`));
      };
      child.on("message", heard).on("exit", died).on("error", failed);
      if (child.exitCode !== null || child.signalCode !== null) died(child.exitCode, child.signalCode);
      else child.send(request, (error) => error && failed(error));
    });
  }

  /** Says something that is not answered. */
  tell(request: Request): void {
    if (this.#process.connected) this.#process.send(request);
  }

  /** It ends when it has nothing to do any more. */
  end(): void {
    if (this.#process.connected) this.#process.disconnect();
  }

  /** It ends at once. */
  kill(): void {
    this.#process.kill("SIGKILL");
  }
}
