// The small faults that scripts/mutate.mjs puts into the code, one at a time: of TypeScript by its syntax tree, of C by its text.
import ts from "typescript";

/**
 * A fault: the text [start, end) of a file is replaced.
 * @typedef {{ start: number, end: number, replacement: string, kind: string }} Mutant
 */

const operators = {
  "<": ["<=", ">="],
  "<=": ["<", ">"],
  ">": [">=", "<="],
  ">=": [">", "<"],
  "===": ["!=="],
  "!==": ["==="],
  "&&": ["||"],
  "||": ["&&"],
  "+": ["-"],
  "-": ["+"],
  "*": ["/"],
  "/": ["*"],
  "%": ["*"],
  "**": ["*"],
  "<<": [">>"],
  ">>": ["<<"],
  ">>>": ["<<"],
  "&": ["|"],
  "|": ["&"],
  "^": ["&"],
  "=": [],
  "+=": ["-=", "="],
  "-=": ["+="],
  "*=": ["/="],
  "/=": ["*="],
  ">>=": ["<<="],
  ">>>=": ["<<="],
  "??=": ["="],
};

const calls = {
  min: "max",
  max: "min",
  floor: "ceil",
  ceil: "floor",
  round: "floor",
  trunc: "floor",
  every: "some",
  some: "every",
  find: "findLast",
  findLast: "find",
  findIndex: "findLastIndex",
  startsWith: "endsWith",
  endsWith: "startsWith",
  shift: "pop",
  pop: "shift",
  indexOf: "lastIndexOf",
  lastIndexOf: "indexOf",
};

/** Their arguments may be exchanged. */
const commutative = new Set(["min", "max", "imul", "hypot"]);

/** Names that are easily taken for one another. */
const twins = [
  ["height", "width"],
  ["top", "left"],
  ["bottom", "right"],
  ["top", "bottom"],
  ["left", "right"],
  ["before", "behind"],
  ["first", "last"],
  ["from", "to"],
  ["x", "y"],
  ["rows", "columns"],
  ["inChannels", "outChannels"],
  ["inputs", "outputs"],
  ["mean", "variance"],
  ["scale", "shift"],
  ["min", "max"],
  ["low", "high"],
  ["outer", "inner"],
  ["a", "b"],
  ["epoch", "step"],
  ["train", "test"],
  ["pointer", "gradient"],
].flatMap(([a, b]) => [
  [a, b],
  [b, a],
]);

/** Every fault of a TypeScript file, in the order of its text. */
export function typescriptMutants(text, fileName) {
  const source = ts.createSourceFile(fileName, text, ts.ScriptTarget.ES2023, true);
  const found = [];
  const put = (node, replacement, kind) => {
    const [start, end] = [node.getStart(source), node.getEnd()];
    if (text.slice(start, end) !== replacement) found.push({ start, end, replacement, kind });
  };
  const textOf = (node) => node.getText(source);

  const visit = (node) => {
    if (ts.isTypeNode(node) || ts.isImportDeclaration(node) || ts.isInterfaceDeclaration(node)) return;
    if (ts.isTypeAliasDeclaration(node) || ts.isExportDeclaration(node)) return;
    if (isMessage(node)) return;
    if (ts.isBinaryExpression(node)) {
      const operator = textOf(node.operatorToken);
      for (const other of operators[operator] ?? []) put(node.operatorToken, other, "operator");
      if (operator === "&&" || operator === "||" || operator === "??") {
        put(node, textOf(node.left), "operand");
        put(node, operator === "??" ? `(${textOf(node.right)})` : textOf(node.right), "operand");
      }
    } else if (ts.isPrefixUnaryExpression(node)) {
      if (node.operator === ts.SyntaxKind.ExclamationToken || node.operator === ts.SyntaxKind.MinusToken)
        put(node, `(${textOf(node.operand)})`, "sign");
    } else if (ts.isIfStatement(node)) {
      put(node.expression, "true", "condition");
      put(node.expression, "false", "condition");
    } else if (ts.isConditionalExpression(node)) {
      put(node.condition, "true", "condition");
      put(node.condition, "false", "condition");
    } else if (ts.isWhileStatement(node) || (ts.isForStatement(node) && node.condition)) {
      put(ts.isWhileStatement(node) ? node.expression : node.condition, "false", "condition");
    } else if (ts.isNumericLiteral(node) || node.kind === ts.SyntaxKind.BigIntLiteral) {
      numbers(node);
    } else if (node.kind === ts.SyntaxKind.TrueKeyword || node.kind === ts.SyntaxKind.FalseKeyword) {
      put(node, node.kind === ts.SyntaxKind.TrueKeyword ? "false" : "true", "constant");
    } else if (ts.isStringLiteral(node) || ts.isTemplateExpression(node)) {
      if (!isName(node)) put(node, textOf(node) === '""' ? '"mutant"' : '""', "text");
    } else if (ts.isExpressionStatement(node)) {
      if (!(ts.isCallExpression(node.expression) && node.expression.expression.kind === ts.SyntaxKind.SuperKeyword))
        put(node, ";", "statement");
    } else if (ts.isBreakStatement(node) || ts.isContinueStatement(node)) {
      put(node, ";", "statement");
    } else if (ts.isCallExpression(node) || ts.isNewExpression(node)) {
      called(node);
    } else if (ts.isElementAccessExpression(node)) {
      if (!ts.isNumericLiteral(node.argumentExpression) && !ts.isStringLiteral(node.argumentExpression))
        put(node.argumentExpression, `(${textOf(node.argumentExpression)}) + 1`, "index");
    } else if (ts.isObjectLiteralExpression(node)) {
      for (const property of node.properties) removed(property);
    } else if (ts.isIdentifier(node) && isUse(node)) {
      for (const [one, other] of twins) if (node.text === one) put(node, other, "twin");
    }
    ts.forEachChild(node, visit);
  };

  function numbers(node) {
    const raw = textOf(node);
    if (raw.endsWith("n")) {
      put(node, `${BigInt(raw.slice(0, -1)) + 1n}n`, "constant");
      return;
    }
    const value = Number(raw.replaceAll("_", ""));
    const others = Number.isInteger(value) ? [value + 1, value - 1] : [value * 1.5, value / 2];
    for (const other of others) put(node, other < 0 ? `(${other})` : String(other), "constant");
  }

  function called(node) {
    const name = node.expression && ts.isPropertyAccessExpression(node.expression) ? node.expression.name : undefined;
    const twin = name && Object.hasOwn(calls, name.text) ? calls[name.text] : undefined;
    if (twin) put(name, twin, "call");
    const args = commutative.has(name?.text) ? [] : (node.arguments ?? []);
    for (let i = 0; i + 1 < args.length; i++) {
      if (ts.isSpreadElement(args[i]) || ts.isSpreadElement(args[i + 1])) continue;
      const swapped = args.map(textOf);
      [swapped[i], swapped[i + 1]] = [swapped[i + 1], swapped[i]];
      const [start, end] = [args[0].getStart(source), args.at(-1).getEnd()];
      const replacement = swapped.join(", ");
      if (swapped[i] !== swapped[i + 1]) found.push({ start, end, replacement, kind: "arguments" });
    }
    if (name?.text === "filter" || name?.text === "sort") put(node, textOf(node.expression.expression), "call");
  }

  function removed(property) {
    const start = property.getStart(source);
    const comma = /^\s*,/.exec(text.slice(property.getEnd()));
    found.push({ start, end: property.getEnd() + (comma?.[0].length ?? 0), replacement: "", kind: "field" });
  }

  visit(source);
  return found.sort((a, b) => a.start - b.start || a.end - b.end);
}

/** What only words an error: no test needs to hold every word of it. */
function isMessage(node) {
  if (ts.isPropertyAssignment(node)) return /^(expected|received|remedy|message)$/.test(node.name.getText());
  if (!ts.isNewExpression(node) && !ts.isCallExpression(node)) return false;
  const name = ts.isIdentifier(node.expression) ? node.expression.text : "";
  return ts.isNewExpression(node) ? /Error$/.test(name) : name === "fail";
}

/** A text that is a name of the language, not a value. */
function isName(node) {
  const { parent } = node;
  return (
    ts.isLiteralTypeNode(parent) ||
    ts.isImportAttribute?.(parent) ||
    (ts.isPropertyAssignment(parent) && parent.name === node) ||
    (ts.isCallExpression(parent) && parent.expression.kind === ts.SyntaxKind.ImportKeyword)
  );
}

/** An identifier that is read, not declared. */
function isUse(node) {
  const { parent } = node;
  if (ts.isPropertyAccessExpression(parent)) return true;
  if (ts.isShorthandPropertyAssignment(parent) || ts.isBindingElement(parent) || ts.isParameter(parent)) return false;
  if (ts.isPropertyAssignment(parent)) return parent.initializer === node;
  if (ts.isVariableDeclaration(parent)) return parent.initializer === node;
  return !ts.isPropertyDeclaration(parent) && !ts.isFunctionLike(parent) && !ts.isPropertySignature(parent);
}

/** Every fault of a C file: binary operators (they stand between spaces here), whole numbers, ternaries, whole statements. */
export function cMutants(text) {
  const blank = (match) => match.replace(/[^\n]/g, " ");
  const code = text
    .replace(/\/\*[\s\S]*?\*\//g, blank)
    .replace(/\/\/[^\n]*/g, blank)
    .replace(/^#[^\n]*(\\\n[^\n]*)*/gm, blank);
  const found = [];
  for (const match of code.matchAll(/ (<=|>=|==|!=|<|>|&&|\|\||\+=|-=|\*=|\+|-|\*|\/|%|<<|>>|&|\|) /g)) {
    const other = { ...operators, "==": ["!="], "!=": ["=="], "*=": ["="] }[match[1]];
    const start = match.index + 1;
    for (const replacement of other) found.push({ start, end: start + match[1].length, replacement, kind: "operator" });
  }
  for (const match of code.matchAll(/(?<![\w.])\d+(?![\w.])/g)) {
    const [start, value] = [match.index, Number(match[0])];
    for (const replacement of value === 0 ? ["1"] : [String(value + 1), String(value - 1)])
      found.push({ start, end: start + match[0].length, replacement, kind: "constant" });
  }
  for (const match of code.matchAll(/\? ([^?:;]+) : ([^?:;,)]+)/g)) {
    const start = match.index + 2;
    const replacement = `${match[2]} : ${match[1]}`;
    found.push({ start, end: match.index + match[0].length, replacement, kind: "condition" });
  }
  for (const match of code.matchAll(/^[ \t]+((?:store_lanes|\w+\[?[^\n;={}]*\]? [-+*]?=) ?[^\n;{}]*;)/gm)) {
    const start = match.index + match[0].indexOf(match[1]);
    found.push({ start, end: start + match[1].length, replacement: ";", kind: "statement" });
  }
  return found.sort((a, b) => a.start - b.start || a.end - b.end);
}
