// Before the first paint: the colour scheme that was chosen on an earlier visit. Not part of the bundle, which comes later.
try {
  const theme = localStorage.getItem("repvgg-theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // A browser that stores nothing has no choice to bring back.
}
