import { nets } from "./nets.mjs";
import { operatorsPage } from "./operators.mjs";
import { describeNet } from "./plans.mjs";
import { surfaces } from "./surface.mjs";

/** Where snapshots lie that come and go with what they are of. */
export const folder = "tests/snapshots";

/** Every snapshot: its path in the repository → a function that makes its text from the build. */
export const snapshots = new Map([
  ...Object.entries(nets).map(([name, makeNet]) => [`${folder}/plans/${name}.txt`, () => describeNet(name, makeNet)]),
  ...[...surfaces].map(([name, describe]) => [`${folder}/public/${name}.txt`, describe]),
  ["docs/operators.md", operatorsPage],
]);
