// Any server of static files will do. These two headers give the page threads; without them it computes on one.
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname } from "node:path";

const root = new URL("./", import.meta.url).href;
const types = { ".html": "text/html", ".js": "text/javascript", ".wasm": "application/wasm" };
const headers = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };

const server = createServer(async ({ url }, response) => {
  try {
    const { pathname } = new URL(url, "http://localhost"); // has no ".." any more
    const file = new URL(`.${pathname === "/" ? "/index.html" : pathname}`, root);
    const body = await readFile(file);
    const type = types[extname(file.pathname)] ?? "application/octet-stream";
    response.writeHead(200, { ...headers, "Content-Type": type }).end(body);
  } catch {
    response.writeHead(404).end("not found");
  }
});
server.listen(process.env.PORT ?? 3000, "127.0.0.1", () => console.log(`listening on port ${server.address().port}`));
