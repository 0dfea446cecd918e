/** A buffer's bytes; none where it was moved to another thread, which refuses to be looked at. */
export function viewOf(buffer: ArrayBufferLike): Uint8Array {
  return buffer.byteLength > 0 ? new Uint8Array(buffer) : new Uint8Array();
}
