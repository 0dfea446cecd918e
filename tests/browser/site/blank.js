// The library for functions that tests run in the page: the test runner rewrites an import() in their own text.
window.repvgg = await import("/dist/bundle/browser.js");
