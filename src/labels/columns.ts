import { nearest, UserError } from "../core/errors.js";

/** Which columns of a list of labels say what, where their names do not tell. */
export interface LabelColumns {
  /** The column of a CSV file with the pictures' paths. Default: the one that is called path, file, image, filename or the like. */
  readonly pathColumn?: string;
  /** The column with the classes. Default: the one that is called label, class, category or the like. */
  readonly labelColumn?: string;
  /** The column that divides pictures into train, val and test. Default: the one that is called split, set, subset or the like. */
  readonly splitColumn?: string;
}

/** The columns among other options, those that are given. */
export function labelColumnsOf({ pathColumn, labelColumn, splitColumn }: LabelColumns): LabelColumns {
  return {
    ...(pathColumn !== undefined && { pathColumn }),
    ...(labelColumn !== undefined && { labelColumn }),
    ...(splitColumn !== undefined && { splitColumn }),
  };
}

type Role = "path" | "label" | "split";

/** Names of columns without capitals, spaces, "-", "_" and a plural's s. */
const knownNames: Readonly<Record<Role, readonly string[]>> = {
  path: [
    ...[
      "path",
      "file",
      "image",
      "picture",
      "filename",
      "filepath",
      "imagepath",
      "imagefile",
      "imagename",
      "imagefilename",
    ],
    ...["relpath", "relativepath", "img", "imgpath", "photo"],
  ],
  label: ["label", "class", "classname", "labelname", "category", "categories", "target", "y"],
  split: ["split", "set", "subset", "dataset", "partition"],
};

/** Places of the columns in a row. */
export interface FoundColumns {
  readonly path: number;
  readonly label: number;
  /** Undefined: the list does not divide its pictures. */
  readonly split: number | undefined;
}

/** Whether names of columns say where paths and labels are. */
export function namesColumns(head: readonly string[], options: LabelColumns): boolean {
  return (["path", "label"] as const).every((role) => candidates(head, role, options).length > 0);
}

/**
 * The columns by their names.
 * @param name of the file, for messages
 * @throws UserError where a column is not there or several could be meant
 */
export function findColumns(head: readonly string[], options: LabelColumns, name: string): FoundColumns {
  const path = one(head, "path", options, name);
  const label = one(head, "label", options, name);
  const split = one(head, "split", options, name);
  for (const [role, at] of Object.entries({ path, label }))
    if (at === undefined) throw missing(head, role as Role, name);
  if (path === label || path === split || label === split) {
    throw new UserError({
      expected: `columns of ${name} of their own for paths, labels and splits`,
      received: `"${head[path === label || path === split ? path! : label!]}" for two of them`,
      remedy: "name three columns",
    });
  }
  return { path: path!, label: label!, split };
}

function one(head: readonly string[], role: Role, options: LabelColumns, name: string): number | undefined {
  const found = candidates(head, role, options);
  const asked = options[`${role}Column`];
  const flag = `--${role}-column, ${role}Column`;
  if (found.length > 1) {
    throw new UserError({
      expected: `one column of ${name} for the ${what[role]}`,
      received: found.map((at) => `"${head[at]}"`).join(" and "),
      remedy: asked === undefined ? `say which by ${flag}` : "give columns different names",
    });
  }
  if (asked !== undefined && found.length === 0) {
    const near = nearest(asked, head);
    throw new UserError({
      expected: `a column "${asked}" in ${name} (${flag})`,
      received: `the columns ${list(head)}`,
      remedy: near ? `did you mean "${near}"?` : "name one of these",
    });
  }
  return found[0];
}

const what: Readonly<Record<Role, string>> = { path: "pictures' paths", label: "labels", split: "splits" };

function candidates(head: readonly string[], role: Role, options: LabelColumns): number[] {
  const asked = options[`${role}Column`];
  const fits =
    asked === undefined ? (name: string) => knownNames[role].includes(plain(name)) : (name: string) => name === asked;
  return head.flatMap((name, at) => (fits(name) ? [at] : []));
}

function plain(name: string): string {
  const letters = name.toLowerCase().replace(/[\s_-]/g, "");
  return knownNames.label.includes(letters)
    ? letters
    : letters.replace(/(ss|x|ch|sh)es$/, "$1").replace(/(?<!s)s$/, "");
}

function missing(head: readonly string[], role: Role, name: string): UserError {
  const examples = knownNames[role].slice(0, 4).join(", ");
  const looksLikeRow = head.some((field) => /\.(jpe?g|png|webp|gif|avif|tiff?|heic)$/i.test(field));
  return new UserError({
    expected: `a first line in ${name} with a column for the ${what[role]} (${examples} …)`,
    received: `the columns ${list(head)}`,
    remedy: looksLikeRow
      ? "the names of the columns come first: add a line path,label"
      : `say which it is by --${role}-column, ${role}Column`,
  });
}

function list(head: readonly string[]): string {
  const named = head.slice(0, 8).map((name) => `"${name.slice(0, 60)}"`);
  return named.join(", ") + (head.length > 8 ? ", …" : "");
}
