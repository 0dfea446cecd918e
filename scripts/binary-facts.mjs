// What a shared library says of itself: system, processor, what it needs and offers. ELF, Mach-O and PE of 64 bits, little-endian, so that
// no tool of another system is needed. For files of our own making: anything else ends in a RangeError.

/**
 * @param bytes a Buffer
 * @returns { os, cpu, libraries, imports, exports, versions (of symbols, ELF), signed (Mach-O) }
 */
export function binaryFacts(bytes) {
  if (bytes.readUInt32BE(0) === 0x7f454c46) return elfFacts(bytes);
  if (bytes.readUInt32LE(0) === 0xfeedfacf) return machFacts(bytes);
  if (bytes.toString("latin1", 0, 2) === "MZ") return peFacts(bytes);
  throw new RangeError("neither ELF nor Mach-O nor PE");
}

/** The largest of versions such as GLIBC_2.17, as "2.17"; undefined where there is none. */
export function newestGlibc(versions) {
  const found = versions.flatMap((version) => /^GLIBC_([\d.]+)$/.exec(version)?.[1] ?? []);
  return found.sort((a, b) => compareVersions(b, a))[0];
}

/** Negative, 0 or positive, as a is older than b, the same, or newer. */
export function compareVersions(a, b) {
  const [left, right] = [a, b].map((version) => version.split(".").map(Number));
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

function text(bytes, at) {
  return bytes.toString("latin1", at, bytes.indexOf(0, at));
}

/** System V ABI, "Object files" and "Dynamic linking"; versions: "Linux Standard Base Core", symbol versioning. */
function elfFacts(bytes) {
  const sections = [];
  const [table, entrySize, count] = [
    Number(bytes.readBigUInt64LE(0x28)),
    bytes.readUInt16LE(0x3a),
    bytes.readUInt16LE(0x3c),
  ];
  for (let i = 0; i < count; i++) {
    const at = table + i * entrySize;
    sections.push({
      type: bytes.readUInt32LE(at + 4),
      offset: Number(bytes.readBigUInt64LE(at + 24)),
      size: Number(bytes.readBigUInt64LE(at + 32)),
      link: bytes.readUInt32LE(at + 40),
      info: bytes.readUInt32LE(at + 44),
    });
  }
  const [dynamic, symbols, versionNeeds] = [6, 11, 0x6ffffffe].map((type) => sections.find((s) => s.type === type));
  const name = (section, offset) => text(bytes, sections[section.link].offset + offset);
  const facts = {
    os: "linux",
    cpu: { 62: "x64", 183: "arm64" }[bytes.readUInt16LE(18)],
    libraries: [],
    imports: [],
    exports: [],
    versions: [],
  };
  for (let at = dynamic.offset; at < dynamic.offset + dynamic.size; at += 16) {
    if (bytes.readBigUInt64LE(at) === 1n) facts.libraries.push(name(dynamic, Number(bytes.readBigUInt64LE(at + 8))));
  }
  for (let at = symbols.offset + 24; at < symbols.offset + symbols.size; at += 24) {
    const list = bytes.readUInt16LE(at + 6) === 0 ? facts.imports : facts.exports;
    list.push(name(symbols, bytes.readUInt32LE(at)));
  }
  let need = versionNeeds?.offset;
  for (let i = 0; i < (versionNeeds?.info ?? 0); i++) {
    let version = need + bytes.readUInt32LE(need + 8);
    for (let j = 0; j < bytes.readUInt16LE(need + 2); j++) {
      facts.versions.push(name(versionNeeds, bytes.readUInt32LE(version + 8)));
      version += bytes.readUInt32LE(version + 12);
    }
    need += bytes.readUInt32LE(need + 12);
  }
  return facts;
}

/** Apple's <mach-o/loader.h> and <mach-o/nlist.h>. */
function machFacts(bytes) {
  const facts = {
    os: "darwin",
    cpu: { 16777223: "x64", 16777228: "arm64" }[bytes.readUInt32LE(4)],
    libraries: [],
    imports: [],
    exports: [],
    signed: false,
  };
  let at = 32;
  for (let i = 0; i < bytes.readUInt32LE(16); i++) {
    const command = bytes.readUInt32LE(at);
    if (command === 0xc) facts.libraries.push(text(bytes, at + bytes.readUInt32LE(at + 8)));
    if (command === 0x1d) facts.signed = true;
    if (command === 0x32) facts.oldest = `${bytes.readUInt16LE(at + 14)}.${bytes[at + 13]}`;
    if (command === 2) {
      const [symbols, count, strings] = [8, 12, 16].map((offset) => bytes.readUInt32LE(at + offset));
      for (let entry = symbols; entry < symbols + count * 16; entry += 16) {
        const kind = bytes[entry + 4];
        const isExternal = (kind & 1) === 1 && (kind & 0xf0) === 0; // neither private nor for debuggers
        if (isExternal)
          (kind & 0x0e ? facts.exports : facts.imports).push(
            text(bytes, strings + bytes.readUInt32LE(entry)).replace(/^_/, ""),
          );
      }
    }
    at += bytes.readUInt32LE(at + 4);
  }
  return facts;
}

/** Microsoft's "PE Format". */
function peFacts(bytes) {
  const header = bytes.readUInt32LE(0x3c);
  const optional = header + 24;
  const sections = [];
  for (let i = 0; i < bytes.readUInt16LE(header + 6); i++) {
    const at = optional + bytes.readUInt16LE(header + 20) + i * 40;
    sections.push({
      virtual: bytes.readUInt32LE(at + 12),
      size: bytes.readUInt32LE(at + 16),
      offset: bytes.readUInt32LE(at + 20),
    });
  }
  const place = (address) => {
    const section = sections.find(({ virtual, size }) => address >= virtual && address < virtual + size);
    if (!section) throw new RangeError(`no section has the address ${address}`);
    return address - section.virtual + section.offset;
  };
  const facts = {
    os: "win32",
    cpu: { 34404: "x64", 43620: "arm64" }[bytes.readUInt16LE(header + 4)],
    libraries: [],
    imports: [],
    exports: [],
  };
  const exported = place(bytes.readUInt32LE(optional + 112));
  const names = place(bytes.readUInt32LE(exported + 32));
  for (let i = 0; i < bytes.readUInt32LE(exported + 24); i++)
    facts.exports.push(text(bytes, place(bytes.readUInt32LE(names + i * 4))));
  for (let at = place(bytes.readUInt32LE(optional + 120)); bytes.readUInt32LE(at + 12) !== 0; at += 20) {
    facts.libraries.push(text(bytes, place(bytes.readUInt32LE(at + 12))));
    for (let entry = place(bytes.readUInt32LE(at)); bytes.readBigUInt64LE(entry) !== 0n; entry += 8) {
      facts.imports.push(text(bytes, place(bytes.readUInt32LE(entry)) + 2));
    }
  }
  return facts;
}
