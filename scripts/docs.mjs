// The documentation as one static site: npm run docs
import { fileURLToPath } from "node:url";
import { buildSite } from "./docs/site.mjs";

const out = fileURLToPath(new URL("../dist-docs", import.meta.url));
const wrong = await buildSite(out);
for (const line of wrong) console.error(line);
if (wrong.length > 0) process.exitCode = 1;
else
  console.log("dist-docs/index.html: guides, command line and every exported name; any server of static files will do");
