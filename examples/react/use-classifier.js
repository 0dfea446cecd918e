import { useEffect, useState } from "react";
import { createEngine } from "repvgg/browser";

let engine; // one for the page, whatever components ask for it

/** `{ net }` when the model at this address is ready, `{ error }` where it cannot be opened. */
export function useClassifier(url) {
  const [state, setState] = useState({});
  useEffect(() => {
    const gone = new AbortController();
    engine ??= createEngine();
    const opening = engine.then((ready) => ready.load(url, { signal: gone.signal }));
    const tell = (next) => gone.signal.aborted || setState(next);
    opening.then((net) => tell({ net })).catch((error) => tell({ error }));
    return () => {
      gone.abort();
      opening.then((net) => net.dispose()).catch(() => {});
    };
  }, [url]);
  return state;
}
