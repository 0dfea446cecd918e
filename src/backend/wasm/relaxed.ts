/**
 * The smallest module with an instruction of relaxed SIMD: one function without arguments or results,
 * `f32x4.relaxed_madd(0, 0, 0)` dropped. (type () → (); code: i32.const 0, i32x4.splat, three times, FD 85 02, drop.)
 */
const probe = Uint8Array.from([
  ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00], // magic, version
  ...[0x01, 0x04, 0x01, 0x60, 0x00, 0x00], // one type: () → ()
  ...[0x03, 0x02, 0x01, 0x00], // one function of it
  ...[0x0a, 0x14, 0x01, 0x12, 0x00], // its code: 18 bytes, no locals
  ...[0x41, 0x00, 0xfd, 0x11, 0x41, 0x00, 0xfd, 0x11, 0x41, 0x00, 0xfd, 0x11],
  ...[0xfd, 0x85, 0x02, 0x1a, 0x0b],
]);

/** Why this runtime has no relaxed SIMD, or undefined where it has: the build needs shared memory too. */
export function relaxedObstacle(): string | undefined {
  if (!WebAssembly.validate(probe)) return "a runtime without";
  return typeof SharedArrayBuffer === "undefined" ? "a page that is not cross-origin isolated" : undefined;
}
