/** How PyTorch's two kinds of files begin. Apart from their readers, so that who only asks does not load those. */

/** The integer of the first pickle, 0x1950a86a20f9469cfc6c, as the bytes of a LONG1. */
const legacyMagic: readonly number[] = [0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

/** Whether the bytes begin as PyTorch's format before 1.6 does: in protocol 2, or with the frame of 4 and 5. */
export function isLegacy(bytes: Uint8Array): boolean {
  return bytes[0] === 0x80 && [2, 11].some((at) => legacyMagic.every((byte, i) => bytes[at + i] === byte));
}

/** Whether the bytes begin as a zip file does: with the header of a member. */
export function isZip(bytes: Uint8Array): boolean {
  return [0x50, 0x4b, 0x03, 0x04].every((byte, i) => bytes[i] === byte);
}
