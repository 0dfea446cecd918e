// `repvgg fold` without its proof, timed inside its own process. Arguments and output as fold_pytorch.py.

import { runCommand } from "#repvgg/cli/program.js";
import { peakMemory } from "#repvgg/studies/bench/peak-memory.node.js";

const [input, output] = process.argv.slice(2);
const startMilliseconds = performance.now(); // since the process began
await runCommand(["fold", input, "-o", output, "--no-verify", "--quiet"]);
const milliseconds = performance.now() - startMilliseconds;
console.log(JSON.stringify({ startMilliseconds, milliseconds, peakMB: peakMemory() / 1e6 }));
