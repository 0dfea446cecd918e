// Cross-origin isolation gives the engine its threads; without these headers it computes on one.
const headers = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };

export default {
  optimizeDeps: { exclude: ["repvgg"] }, // Vite 5 to 7 need this line and the next
  worker: { format: "es" },
  build: { target: "es2022" }, // await at a module's top level
  server: { headers },
  preview: { headers },
};
