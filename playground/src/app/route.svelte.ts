import { untrack } from "svelte";

/** The page's state in its address: `#/fold?model=cifar10&block=stage1.1&step=2`. A link brings back what was seen. */

export const panels = ["fold", "classify", "train", "why"] as const;
export type PanelName = (typeof panels)[number];

class Route {
  panel = $state<PanelName>("fold");
  #values = $state<Readonly<Record<string, string>>>({});
  #pending: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    this.#read();
    addEventListener("hashchange", () => this.#read());
  }

  get(name: string): string | undefined {
    return this.#values[name];
  }

  /** A whole number of the address from 0 on, or the fallback. */
  number(name: string, fallback: number): number {
    const text = this.#values[name];
    return text !== undefined && /^\d{1,6}$/.test(text) ? Number(text) : fallback;
  }

  /** Undefined takes a value out of the address. */
  set(values: Readonly<Record<string, string | number | undefined>>): void {
    // Whoever sets a value does not depend on the others.
    const next: Record<string, string> = untrack(() => ({ ...this.#values }));
    for (const [name, value] of Object.entries(values)) {
      if (value === undefined) delete next[name];
      else next[name] = String(value);
    }
    this.#values = next;
    this.#write();
  }

  /** Address of a panel that keeps what the panels share. */
  link(panel: PanelName): string {
    const { model } = this.#values;
    return `#/${panel}${model === undefined ? "" : `?model=${encodeURIComponent(model)}`}`;
  }

  #read(): void {
    const [path = "", query = ""] = location.hash.replace(/^#\/?/, "").split("?");
    this.panel = panels.find((name) => name === path) ?? "fold";
    this.#values = Object.fromEntries(new URLSearchParams(query));
  }

  /** At most a few times a second: browsers throttle changes of the address. */
  #write(): void {
    clearTimeout(this.#pending);
    this.#pending = setTimeout(() => {
      const query = new URLSearchParams(this.#values).toString();
      history.replaceState(null, "", `#/${this.panel}${query && `?${query}`}`);
    }, 150);
  }
}

export const route = new Route();
