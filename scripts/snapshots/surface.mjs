// The public surface as text: every name that an entry of package.json exports, with its declaration, and the types that these name
// without exporting them. Made from the built declarations; comments, private members, the order of members and the files in which
// things stand do not count.
import { readdirSync, readFileSync } from "node:fs";
import { join, sep } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";

const root = fileURLToPath(new URL("../../", import.meta.url));
const dist = join(root, "dist").split(sep).join("/");
const { name: packageName, exports: entries } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

/** Declaration files → the specifiers that give them ("repvgg", "repvgg (browser)"). */
const typed = new Map();
/** Types whose source has its own lines, and more of them than a reader of the surface wants to see. */
const elsewhere = { KernelArguments: "kernels/kernels.def" };
/** Specifiers without types → what they give: files. */
const files = new Map();
for (const [path, target] of Object.entries(entries)) collect(packageName + path.slice(1), target);

function collect(specifier, target) {
  if (typeof target === "string") files.set(specifier, target);
  else if (typeof target.types === "string") {
    typed.set(target.types, [...(typed.get(target.types) ?? []), specifier]);
    for (const [condition, inner] of Object.entries(target)) {
      if (typeof inner === "object") collect(`${specifier} (${condition})`, inner);
    }
  } else for (const [condition, inner] of Object.entries(target)) collect(`${specifier} (${condition})`, inner);
}

/** Snapshot's name → how it is made. */
export const surfaces = new Map([
  ...[...typed].map(([file, specifiers]) => [fileName(specifiers), () => describeEntry(file, specifiers)]),
  ["files", describeFiles],
]);

function fileName(specifiers) {
  return specifiers.at(-1).replaceAll(/\W+/g, "-");
}

function describeFiles() {
  const lines = [...files].flatMap(([specifier, target]) => {
    if (!target.includes("*")) return [specifier];
    const folder = join(root, target.slice(0, target.indexOf("*")));
    const names = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    return names.map((entry) => {
      const inside = join(entry.parentPath, entry.name).slice(folder.length).split(sep).join("/");
      return specifier.replace("*", inside);
    });
  });
  return `${lines.sort().join("\n")}\n`;
}

let program;

function describeEntry(file, specifiers) {
  program ??= ts.createProgram(
    [...typed.keys()].map((path) => join(root, path)),
    {
      target: ts.ScriptTarget.ES2023,
      module: ts.ModuleKind.NodeNext,
      moduleResolution: ts.ModuleResolutionKind.NodeNext,
      strict: true,
      types: ["node"],
      noEmit: true,
    },
  );
  const surface = new Surface(program.getTypeChecker(), program.getSourceFile(join(root, file)));
  const { exported, reached } = surface.describe();
  return `${[
    `# Exports of ${specifiers.join(", ")}`,
    ...exported,
    "# Types that these name and that are not exported",
    ...reached,
  ].join("\n\n")}\n`;
}

class Surface {
  /** Symbols that are described or will be → whether they are exported. */
  #queue = new Map();

  constructor(checker, entry) {
    this.checker = checker;
    for (const symbol of checker.getExportsOfModule(checker.getSymbolAtLocation(entry))) {
      this.#queue.set(this.#origin(symbol), symbol.name);
    }
  }

  describe() {
    const texts = { exported: [], reached: [] };
    // Describing a symbol puts those that it reaches at the queue's end: a Map gives them too.
    for (const [symbol, exportedAs] of this.#queue) {
      const text = this.#declarations(symbol)
        .map((node) => this.#print(node, exportedAs ?? symbol.name))
        .join("\n");
      texts[exportedAs ? "exported" : "reached"].push({ name: exportedAs ?? symbol.name, text });
    }
    const sorted = (list) =>
      list.sort((a, b) => order(a.name, b.name) || order(a.text, b.text)).map(({ text }) => text);
    return { exported: sorted(texts.exported), reached: sorted(texts.reached) };
  }

  #origin(symbol) {
    return symbol.flags & ts.SymbolFlags.Alias ? this.checker.getAliasedSymbol(symbol) : symbol;
  }

  /** Those of this package that stand at the top of a file. */
  #declarations(symbol) {
    return (symbol.declarations ?? []).filter((node) => {
      const statement = ts.isVariableDeclaration(node) ? node.parent.parent : node;
      return ts.isSourceFile(statement.parent) && statement.getSourceFile().fileName.startsWith(`${dist}/`);
    });
  }

  #print(node, name) {
    if (Object.hasOwn(elsewhere, name)) return `interface ${name}: see ${elsewhere[name]}`;
    const source = node.getSourceFile();
    const statement = ts.isVariableDeclaration(node) ? node.parent.parent : node;
    const { transformed } = ts.transform(statement, [(context) => (top) => this.#simplified(top, context)]);
    const printer = ts.createPrinter({ removeComments: true, newLine: ts.NewLineKind.LineFeed });
    const text = printer.printNode(ts.EmitHint.Unspecified, transformed[0], source);
    const own = ts.isIdentifier(node.name) ? node.name.text : undefined;
    return name === own ? text : `${name}: ${text}`;
  }

  #simplified(top, context) {
    const { factory } = context;
    const visit = (node) => {
      if (node.kind === ts.SyntaxKind.ExportKeyword || node.kind === ts.SyntaxKind.DeclareKeyword) return undefined;
      if (ts.isClassElement(node) && isPrivate(node)) return undefined;
      if (ts.isImportTypeNode(node) && node.qualifier) {
        this.#reach(ts.isIdentifier(node.qualifier) ? node.qualifier : node.qualifier.right);
        const args = node.typeArguments?.map(visit);
        const reference = factory.createTypeReferenceNode(node.qualifier, args);
        return node.isTypeOf ? factory.createTypeQueryNode(node.qualifier, args) : reference;
      }
      if (ts.isIdentifier(node)) return this.#reach(node, factory);
      const visited = ts.visitEachChild(node, visit, context);
      const isInterface = ts.isInterfaceDeclaration(visited);
      if (!isInterface && !ts.isClassDeclaration(visited)) return visited;
      const { modifiers, name, typeParameters, heritageClauses, members } = visited;
      const parts = [visited, modifiers, name, typeParameters, heritageClauses, sortedMembers(members)];
      return isInterface ? factory.updateInterfaceDeclaration(...parts) : factory.updateClassDeclaration(...parts);
    };
    return ts.visitNode(top, visit);
  }

  /** Notes what a name means, where that is a declaration of this package; gives the name under which that is described. */
  #reach(identifier, factory) {
    const found = this.checker.getSymbolAtLocation(identifier);
    const symbol = found && this.#origin(found);
    if (!symbol || this.#declarations(symbol).length === 0) return identifier;
    if (!this.#queue.has(symbol)) this.#queue.set(symbol, undefined);
    const name = this.#queue.get(symbol) ?? symbol.name;
    return factory && name !== identifier.text ? factory.createIdentifier(name) : identifier;
  }
}

function isPrivate(member) {
  const modifiers = ts.canHaveModifiers(member) ? (ts.getModifiers(member) ?? []) : [];
  return (
    modifiers.some(({ kind }) => kind === ts.SyntaxKind.PrivateKeyword) ||
    (member.name !== undefined && ts.isPrivateIdentifier(member.name))
  );
}

/** By name; overloads, and members without a name, stay in their order. */
function sortedMembers(members) {
  const nameOf = ({ name }) => (name && "text" in name ? name.text : "");
  return [...members].sort((a, b) => order(nameOf(a), nameOf(b)));
}

function order(a, b) {
  return a < b ? -1 : a > b ? 1 : 0;
}
