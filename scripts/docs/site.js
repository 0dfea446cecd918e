// Draws the diagrams of a page, where it has any: Mermaid is loaded then, from the site itself.
const diagrams = [...document.querySelectorAll("code.mermaid")].map((code) => code.closest("pre"));

if (diagrams.length > 0) {
  const script = document.createElement("script");
  script.src = new URL("assets/mermaid.js", new URL(document.documentElement.dataset.base ?? "./", location.href)).href;
  script.addEventListener("load", async () => {
    const { mermaid } = globalThis;
    const dark =
      getComputedStyle(document.documentElement).colorScheme === "dark" ||
      matchMedia("(prefers-color-scheme: dark)").matches;
    mermaid.initialize({ startOnLoad: false, securityLevel: "strict", theme: dark ? "dark" : "neutral" });
    for (const [i, block] of diagrams.entries()) {
      const text = block.querySelector("code").innerText;
      const { svg } = await mermaid.render(`diagram-${i}`, text);
      const figure = document.createElement("figure");
      figure.innerHTML = svg;
      block.replaceWith(figure);
    }
  });
  document.head.append(script);
}
