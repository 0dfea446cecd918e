import { type ComputeOptions, usingBackend } from "../backend/using-backend.node.js";
import { answersTo } from "../classifier/answers.js";
import { type AskedFacts, classifierOf, classifierShape } from "../classifier/net-classifier.js";
import { framed, likeliest, type Prediction } from "../classifier/prediction.js";
import { UserError } from "../core/errors.js";
import type { Image } from "../data/dataset.js";
import { readPicture } from "../data/read-picture.node.js";
import { createSession, type Session } from "../engine/session.js";
import type { Net } from "../exchange/net.js";
import type { Graph } from "../graph/graph.js";
import type { Model } from "../nn/model.js";

/** What answers one picture after another. */
export interface PictureNet {
  readonly graph: Graph;
  /** Of the input, for one picture. */
  readonly shape: readonly number[];
  readonly classNames: readonly string[];
  /** Logits [classes] of a picture. */
  logits(session: Session, picture: Image): Float32Array;
}

/** A model, or any net that classifies, as what answers. @throws UserError for a net that does not (see {@link classifierOf}). */
export function pictureNet(net: Model | Net, asked: AskedFacts & { readonly flips?: boolean } = {}): PictureNet {
  const classifier = classifierOf(net, asked);
  const { graph, classNames, preprocessing } = classifier;
  return {
    graph,
    shape: classifierShape(classifier, 1),
    classNames,
    logits: (session, picture) => {
      return answersTo(classifier, session, framed(picture, preprocessing), asked.flips);
    },
  };
}

/** The answer to one picture, or why there is none. */
export type PictureAnswer =
  | { readonly place: string; readonly image: Image; readonly predictions: readonly Prediction[] }
  | { readonly place: string; readonly error: UserError };

/** Pictures that are decoded while the net answers earlier ones. */
const ahead = 4;

/**
 * What many pictures show, one after another in their order: memory does not grow with their number, and a picture that cannot be
 * read is an answer of its own.
 * @param places paths, addresses and "-", as {@link readPicture} takes them
 * @param options.top classes of each answer
 * @param onAnswer called with each answer; the next waits for what it returns
 */
export async function predictEach(
  net: PictureNet,
  places: readonly string[],
  options: ComputeOptions & { readonly top: number },
  onAnswer: (answer: PictureAnswer) => void | Promise<void>,
): Promise<void> {
  await usingBackend(options, async (backend) => {
    const { graph, shape, classNames } = net;
    const session = createSession(graph, { backend, shape });
    try {
      for await (const { place, image, error } of decodedInOrder(places)) {
        if (!image) await onAnswer({ place, error });
        else {
          const predictions = likeliest(net.logits(session, image), classNames, options.top);
          await onAnswer({ place, image, predictions });
        }
      }
    } finally {
      session.dispose();
    }
  });
}

type Decoded =
  | { readonly place: string; readonly image: Image; readonly error?: undefined }
  | { readonly place: string; readonly image?: undefined; readonly error: UserError };

/** Pictures in their order, some of them decoded ahead. Errors that are no user's mistake end it. */
async function* decodedInOrder(places: readonly string[]): AsyncGenerator<Decoded> {
  const underWay: Promise<Decoded | { readonly bug: unknown }>[] = [];
  let next = 0;
  const start = (): void => {
    const place = places[next++];
    if (place !== undefined) underWay.push(attempt(place));
  };
  for (let i = 0; i < ahead; i++) start();
  for (let first = underWay.shift(); first !== undefined; first = underWay.shift()) {
    const done = await first;
    if ("bug" in done) throw done.bug;
    start();
    yield done;
  }
}

/** Never rejects: of those that were begun ahead, nobody may be listening yet. */
async function attempt(place: string): Promise<Decoded | { readonly bug: unknown }> {
  try {
    return { place, image: await readPicture(place) };
  } catch (error) {
    return error instanceof UserError ? { place, error } : { bug: error };
  }
}
