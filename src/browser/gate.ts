/** Something that holds work up while it is closed. */
export class Gate {
  #opened: Promise<void> | undefined;
  #open: () => void = () => {};

  /** Whether work waits. */
  get closed(): boolean {
    return this.#opened !== undefined;
  }

  /** Work waits from now on. Idempotent. */
  close(): void {
    this.#opened ??= new Promise((resolve) => {
      this.#open = resolve;
    });
  }

  /** Work goes on. Idempotent. */
  open(): void {
    this.#opened = undefined;
    this.#open();
  }

  /** Resolves when it is open. */
  async passage(): Promise<void> {
    while (this.#opened) await this.#opened;
  }
}
