import type { Session } from "../engine/session.js";
import { meanAnswer, mirrored } from "./flips.js";
import type { FramedPictures } from "./input.js";
import { classifierInput, classifierLogits, type NetClassifier } from "./net-classifier.js";

/**
 * Logits [pictures][classes], those of a classifier's own session.
 * @param flips ask about the mirror images too: see {@link meanAnswer}
 */
export function answersTo(
  classifier: NetClassifier,
  session: Session,
  pictures: FramedPictures,
  flips = false,
): Float32Array {
  const ask = (shown: FramedPictures): Float32Array =>
    classifierLogits(classifier, session.run(classifierInput(classifier, shown))[classifier.outputName]!, shown.size);
  if (!flips) return ask(pictures);
  const own = ask(pictures).slice();
  return meanAnswer(own, ask(mirrored(pictures)), classifier.classNames.length);
}
