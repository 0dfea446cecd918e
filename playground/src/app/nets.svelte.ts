import { UserError } from "repvgg/browser";
import { closeNet, type NetRef, type OpenNet, openNet } from "../engine/open-net.js";
import type { ToldFacts } from "../engine/told-facts.js";
import { route } from "./route.svelte.js";

/** Nets of the paper, small enough for a page, by name; and the two for small pictures. */
export const zooNames = [
  "nano",
  "tiny",
  "A0",
  "A1",
  "A2",
  "B0",
  "B1",
  "B1g2",
  "B1g4",
  "B2",
  "B2g4",
  "B3",
  "B3g4",
  "D2se",
  "L2pse",
] as const;

export const shippedName = "cifar10";

/** The net that the panels look at: chosen in the address, or a file of the visitor's. */
class Nets {
  current = $state.raw<OpenNet>();
  opening = $state(false);
  error = $state<string>();
  /** The file that was opened last, to come back to. */
  file = $state.raw<File>();
  /** What was said of it. */
  #told: ToldFacts | undefined;
  #wanted = "";
  #opened = 0;
  #underWay = 0;

  /** Follows the address. Call in an effect. */
  follow(): void {
    const name = route.get("model") ?? shippedName;
    if (name === this.#wanted) return;
    if (name === "file" && !this.file) {
      // A link does not carry the file that was open when it was made.
      route.set({ model: undefined, block: undefined });
      this.error = "The address names a file that was open in another visit: open it again.";
      return;
    }
    this.#wanted = name;
    const known = zooNames.find((zoo) => zoo === name);
    if (name === "file") void this.#open({ kind: "file", file: this.file!, told: this.#told });
    else if (known) void this.#open({ kind: "zoo", name: known });
    else void this.#open({ kind: "shipped" });
  }

  choose(name: string): void {
    this.error = undefined;
    route.set({ model: name === shippedName ? undefined : name, block: undefined, o: undefined, i: undefined });
  }

  /** @param told what the visitor says where the file says nothing */
  openFile(file: File, told?: ToldFacts): void {
    this.error = undefined;
    void this.#open({ kind: "file", file, told });
  }

  async #open(ref: NetRef): Promise<void> {
    this.opening = true;
    this.#underWay++;
    const wanted = this.#wanted;
    try {
      const net = await openNet(String(this.#opened++), ref);
      if (ref.kind !== "file" && this.#wanted !== wanted) return closeNet(net); // another one was chosen meanwhile
      const last = this.current;
      this.current = net;
      if (last) closeNet(last);
      this.error = undefined;
      if (ref.kind === "file") {
        [this.file, this.#told] = [ref.file, ref.told];
        this.#wanted = "file";
        if (route.get("model") !== "file") {
          route.set({ model: "file", block: undefined, o: undefined, i: undefined });
        }
      }
    } catch (error) {
      this.error = describe(error, ref);
    } finally {
      this.#underWay--;
      this.opening = this.#underWay > 0;
    }
  }
}

function describe(error: unknown, ref: NetRef): string {
  const what = ref.kind === "file" ? `${ref.file.name} did not open` : "The net did not open";
  const message = error instanceof Error ? error.message : String(error);
  return error instanceof UserError ? `${what}: ${message}.` : `${what}, by a fault of this page: ${message}`;
}

export const nets = new Nets();
