/** What the browser and its user offer: colour scheme, motion, threads. */

export type Theme = "auto" | "light" | "dark";

const storageKey = "repvgg-theme";
const darkQuery = matchMedia("(prefers-color-scheme: dark)");
const motionQuery = matchMedia("(prefers-reduced-motion: reduce)");

class Surroundings {
  theme = $state<Theme>(storedTheme());
  #systemDark = $state(darkQuery.matches);
  reducedMotion = $state(motionQuery.matches);
  /** SharedArrayBuffer works: kernels may use several threads. */
  readonly isolated = globalThis.crossOriginIsolated === true;
  readonly processors = navigator.hardwareConcurrency || 1;

  constructor() {
    darkQuery.addEventListener("change", () => {
      this.#systemDark = darkQuery.matches;
    });
    motionQuery.addEventListener("change", () => {
      this.reducedMotion = motionQuery.matches;
    });
  }

  get dark(): boolean {
    return this.theme === "auto" ? this.#systemDark : this.theme === "dark";
  }

  get maxThreads(): number {
    return this.isolated ? Math.min(16, this.processors) : 1;
  }

  setTheme(theme: Theme): void {
    this.theme = theme;
    if (theme === "auto") delete document.documentElement.dataset["theme"];
    else document.documentElement.dataset["theme"] = theme;
    try {
      localStorage.setItem(storageKey, theme);
    } catch {
      // A browser that stores nothing keeps the choice until the page is left.
    }
  }
}

function storedTheme(): Theme {
  const theme = document.documentElement.dataset["theme"];
  return theme === "light" || theme === "dark" ? theme : "auto";
}

export const surroundings = new Surroundings();
