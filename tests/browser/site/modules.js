// The library as the compiler leaves it, a module a file: what bundlers get.
window.repvgg = await import("/dist/browser.js");
