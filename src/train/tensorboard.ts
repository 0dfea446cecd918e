/**
 * TensorBoard event files: TFRecord framing (length, masked CRC-32C of it, data, masked CRC-32C of the data) around
 * `tensorflow.Event` messages, of which we write the version header and scalar summaries.
 * Source: tensorflow/core/util/event.proto, summary.proto and lib/io/record_writer.
 */

/** One scalar at one step; `wallTime` in seconds since 1970. */
export interface ScalarEvent {
  readonly step: number;
  readonly wallTime: number;
  readonly values: Readonly<Record<string, number>>;
}

/** The record that opens an event file. */
export function encodeFileVersion(wallTime: number): Uint8Array {
  return frame(concat([doubleField(1, wallTime), bytesField(3, utf8("brain.Event:2"))]));
}

/** One record with all scalars of an event. */
export function encodeScalars(event: ScalarEvent): Uint8Array {
  const summary = concat(
    Object.entries(event.values).map(([tag, value]) =>
      bytesField(1, concat([bytesField(1, utf8(tag)), floatField(2, value)])),
    ),
  );
  return frame(concat([doubleField(1, event.wallTime), varintField(2, event.step), bytesField(5, summary)]));
}

function frame(data: Uint8Array): Uint8Array {
  const record = new Uint8Array(12 + data.length + 4);
  const view = new DataView(record.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(8, maskedCrc(record.subarray(0, 8)), true);
  record.set(data, 12);
  view.setUint32(12 + data.length, maskedCrc(data), true);
  return record;
}

const crcTable = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let k = 0; k < 8; k++) c = c & 1 ? (c >>> 1) ^ 0x82f63b78 : c >>> 1; // Castagnoli, reflected
  return c;
});

/** CRC-32C, rotated right by 15 and offset, so that a CRC of data that holds CRCs stays strong (TFRecord's masking). */
export function maskedCrc(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = crcTable[(crc ^ byte) & 0xff]! ^ (crc >>> 8);
  crc = ~crc >>> 0;
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = BigInt(value);
  do {
    const low = Number(rest & 0x7fn);
    rest >>= 7n;
    bytes.push(rest > 0n ? low | 0x80 : low);
  } while (rest > 0n);
  return Uint8Array.from(bytes);
}

function varintField(field: number, value: number): Uint8Array {
  return concat([varint(field << 3), varint(value)]);
}

function bytesField(field: number, bytes: Uint8Array): Uint8Array {
  return concat([varint((field << 3) | 2), varint(bytes.length), bytes]);
}

function doubleField(field: number, value: number): Uint8Array {
  const bytes = new Uint8Array(9);
  bytes[0] = (field << 3) | 1;
  new DataView(bytes.buffer).setFloat64(1, value, true);
  return bytes;
}

function floatField(field: number, value: number): Uint8Array {
  const bytes = new Uint8Array(5);
  bytes[0] = (field << 3) | 5;
  new DataView(bytes.buffer).setFloat32(1, value, true);
  return bytes;
}

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const result = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    result.set(part, at);
    at += part.length;
  }
  return result;
}
