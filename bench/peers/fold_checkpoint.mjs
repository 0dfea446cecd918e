// A checkpoint in training form for fold.mjs to fold: node fold_checkpoint.mjs MODEL OUTPUT.pth   → {"path": …}
import { netOf } from "#repvgg/exchange/net.js";
import { saveNet } from "#repvgg/exchange/save-net.node.js";
import { repvgg } from "#repvgg/nn/repvgg.js";
import { withStatistics } from "./random-statistics.mjs";

const [name, path] = process.argv.slice(2);
await saveNet(netOf(withStatistics(repvgg(name))), path);
console.log(JSON.stringify({ path }));
