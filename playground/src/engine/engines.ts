import { createEngine, type Engine } from "repvgg/browser";

let shared: Promise<Engine> | undefined;

/** The engine that holds the nets which the panels look at: in a worker, with all threads; started when it is first wanted. */
export function engine(): Promise<Engine> {
  shared ??= createEngine();
  return shared;
}
