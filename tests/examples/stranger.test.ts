import { it } from "vitest";
import { installTarball } from "../pack.js";
import { strangersPath } from "./strangers-path.js";
import { linkDependencies } from "./support.js";

it("a stranger's path, from an empty project to ONNX Runtime", async () => {
  const installed = installTarball();
  try {
    await strangersPath((folder) => linkDependencies(folder, installed));
  } finally {
    installed.remove();
  }
}, 600_000);
