import { UserError } from "../core/errors.js";
import type { Model } from "./model.js";

/** Whether a value is a model: what JavaScript gives may be a path, or a net of another kind. */
export function isModel(value: unknown): value is Model {
  return (
    typeof value === "object" && value !== null && ["architecture", "state", "metadata"].every((name) => name in value)
  );
}

/** @throws UserError for what is no {@link Model}. */
export function checkModel(model: unknown): void {
  if (isModel(model)) return;
  const net = typeof model === "object" && model !== null && "graph" in model;
  throw new UserError({
    expected: "a model, as loadModel gives it",
    received: net ? "a net" : typeof model === "string" ? `"${model.slice(0, 60)}"` : String(model),
    remedy: net ? "pass net.model, or use createClassifier" : "await loadModel(path) first",
  });
}
