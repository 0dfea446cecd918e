import { nearest, UserError } from "../core/errors.js";

/**
 * Licences as Hugging Face names them in a model card (the hub's documentation, "Licenses"): it refuses a commit whose card has another one.
 * `other` goes with a `license_name` in the card.
 */
const licenses: readonly string[] = [
  ...["apache-2.0", "mit", "openrail", "openrail++", "bigscience-openrail-m", "creativeml-openrail-m"],
  ...["bigscience-bloom-rail-1.0", "bigcode-openrail-m", "afl-3.0", "artistic-2.0", "bsl-1.0"],
  ...["bsd", "bsd-2-clause", "bsd-3-clause", "bsd-3-clause-clear", "c-uda", "cc", "cc0-1.0"],
  ...["cc-by-2.0", "cc-by-2.5", "cc-by-3.0", "cc-by-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0"],
  ...["cc-by-nc-2.0", "cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nd-4.0", "cc-by-nc-nd-3.0", "cc-by-nc-nd-4.0"],
  ...["cc-by-nc-sa-2.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0", "cdla-sharing-1.0", "cdla-permissive-1.0"],
  ...["cdla-permissive-2.0", "wtfpl", "ecl-2.0", "epl-1.0", "epl-2.0", "etalab-2.0", "eupl-1.1", "eupl-1.2"],
  ...["agpl-3.0", "gfdl", "gpl", "gpl-2.0", "gpl-3.0", "lgpl", "lgpl-2.1", "lgpl-3.0", "lgpl-lr", "isc"],
  ...["h-research", "intel-research", "lppl-1.3c", "ms-pl", "apple-ascl", "apple-amlr", "mpl-2.0", "odc-by", "odbl"],
  ...["openmdw-1.0", "osl-3.0", "postgresql", "ofl-1.1", "ncsa", "unlicense", "zlib", "pddl"],
  ...["deepfloyd-if-license", "fair-noncommercial-research-license", "llama2", "llama3", "llama3.1", "llama3.2"],
  ...["llama3.3", "llama4", "gemma", "unknown", "other"],
];

/** A licence as the hub names it. @throws UserError for one that it does not know */
export function checkLicense(text: string): string {
  const name = text.trim().toLowerCase();
  if (licenses.includes(name)) return name;
  const near = nearest(name, licenses);
  throw new UserError({
    expected: "a licence as the hub names it (mit, apache-2.0, cc-by-4.0, …, other)",
    received: JSON.stringify(text),
    remedy: near ? `did you mean ${near}?` : 'see the hub\'s documentation, "Licenses"; "other" for one of your own',
  });
}
