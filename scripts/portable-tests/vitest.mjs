// As much of vitest as the tests of the kernels use, in one file without dependencies: for programs of Node that vitest's own binaries
// do not run on (emulators, other C libraries). What is not here throws. See bundle.mjs.
import assert from "node:assert";

const root = suite("", undefined);
let current = root;

function suite(name, parent, skipped = false) {
  return { name, parent, skipped, items: [], beforeAll: [], afterAll: [], beforeEach: [], afterEach: [] };
}

/** "%s" and "$name" in titles, as vitest has them. */
function title(text, row) {
  const value = Array.isArray(row) ? row[0] : row;
  return text
    .replaceAll(/%[sj]/g, () => (typeof value === "object" ? JSON.stringify(value) : String(value)))
    .replaceAll(/\$(\w+)/g, (all, key) => (typeof value === "object" && key in value ? String(value[key]) : all));
}

function withVariants(define) {
  const each = (skipped) => (rows) => (name, body, options) => {
    for (const row of rows)
      define(title(name, row), () => (Array.isArray(row) ? body(...row) : body(row)), skipped || options?.skip);
  };
  const plain = (name, body) => define(name, body, false);
  const skip = (name, body) => define(name, body, true);
  return Object.assign(plain, {
    each: each(false),
    skipIf: (condition) => Object.assign(condition ? skip : plain, { each: each(Boolean(condition)) }),
  });
}

export const it = withVariants((name, body, skipped) => current.items.push({ name, body, skipped }));
export const test = it;
export const describe = withVariants((name, body, skipped) => {
  const own = suite(name, current, skipped || current.skipped);
  current.items.push(own);
  current = own;
  try {
    body();
  } finally {
    current = own.parent;
  }
});
export const beforeAll = (hook) => current.beforeAll.push(hook);
export const afterAll = (hook) => current.afterAll.push(hook);
export const beforeEach = (hook) => current.beforeEach.push(hook);
export const afterEach = (hook) => current.afterEach.push(hook);

const matchers = {
  toBe: (actual, expected) => assert.ok(Object.is(actual, expected), `${show(actual)} is not ${show(expected)}`),
  toEqual: (actual, expected) => assert.deepStrictEqual(actual, expected),
  toBeUndefined: (actual) => assert.ok(actual === undefined, show(actual)),
  toBeDefined: (actual) => assert.ok(actual !== undefined),
  toBeLessThan: (actual, limit) => assert.ok(actual < limit, `${show(actual)} is not below ${limit}`),
  toBeLessThanOrEqual: (actual, limit) => assert.ok(actual <= limit, `${show(actual)} is above ${limit}`),
  toBeGreaterThan: (actual, limit) => assert.ok(actual > limit, `${show(actual)} is not above ${limit}`),
  toBeGreaterThanOrEqual: (actual, limit) => assert.ok(actual >= limit, `${show(actual)} is below ${limit}`),
  toBeCloseTo: (actual, expected, digits = 2) =>
    assert.ok(Math.abs(actual - expected) < 10 ** -digits / 2, `${show(actual)} is not close to ${expected}`),
  toBeInstanceOf: (actual, kind) => assert.ok(actual instanceof kind, show(actual)),
  toHaveProperty: (actual, key) => assert.ok(key in actual, `no property ${key}`),
  toMatch: (actual, pattern) => assert.match(actual, pattern),
  toThrow: (action, expected) => assert.throws(action, expected),
};

function show(value) {
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** An assertion's message tells what the test says about it, too. */
export function expect(actual, message) {
  const entries = Object.entries(matchers).map(([name, check]) => [
    name,
    (...expected) => {
      try {
        check(actual, ...expected);
      } catch (error) {
        throw message === undefined ? error : new Error(`${message}: ${error.message}`, { cause: error });
      }
    },
  ]);
  return {
    ...Object.fromEntries(entries),
    rejects: { toThrow: (expected) => assert.rejects(Promise.resolve(actual), expected) },
  };
}

/** Runs all that was defined. @returns counts, and the first failures in words */
export async function runTests() {
  const counts = { passed: 0, failed: 0, skipped: 0, failures: [] };
  await runSuite(root, [], counts);
  return counts;
}

async function runSuite(own, path, counts) {
  if (!own.skipped) for (const hook of own.beforeAll) await hook();
  for (const item of own.items) {
    const names = [...path, item.name];
    if (item.items) await runSuite(item, names, counts);
    else if (item.skipped || own.skipped) counts.skipped++;
    else await runTest(item, own, names, counts);
  }
  if (!own.skipped) for (const hook of own.afterAll.toReversed()) await hook();
}

async function runTest({ body }, own, names, counts) {
  const suites = [];
  for (let s = own; s; s = s.parent) suites.unshift(s);
  try {
    for (const s of suites) for (const hook of s.beforeEach) await hook();
    await body();
    counts.passed++;
  } catch (error) {
    counts.failed++;
    if (counts.failures.length < 10) counts.failures.push(`${names.join(" › ")}: ${error?.message ?? error}`);
  }
  for (const s of suites.toReversed()) for (const hook of s.afterEach) await hook();
}
