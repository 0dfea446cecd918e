import { expect, it } from "vitest";
import { encodeFileVersion, encodeScalars, maskedCrc } from "#repvgg/train/tensorboard.js";

function unmask(crc: number): number {
  const rotated = (crc - 0xa282ead8) >>> 0;
  return ((rotated >>> 17) | (rotated << 15)) >>> 0;
}

it("uses CRC-32C (check value of the catalogue: 0xE3069283 for '123456789')", () => {
  expect(unmask(maskedCrc(new TextEncoder().encode("123456789")))).toBe(0xe3069283);
});

it("frames TFRecords: length, its CRC, data, its CRC", () => {
  const record = encodeFileVersion(1.5);
  const view = new DataView(record.buffer);
  const length = Number(view.getBigUint64(0, true));
  expect(record.length).toBe(length + 16);
  expect(view.getUint32(8, true)).toBe(maskedCrc(record.subarray(0, 8)));
  expect(view.getUint32(12 + length, true)).toBe(maskedCrc(record.subarray(12, 12 + length)));
  expect(new TextDecoder().decode(record.subarray(12 + length - 13, 12 + length))).toBe("brain.Event:2");
});

it("encodes a scalar event as protoc does", () => {
  // protoc --encode=tensorflow.Event: wall_time: 1.5 step: 300 summary { value { tag: "a" simple_value: 0.5 } }
  const expected = "09000000000000f83f10ac022a0a0a080a0161150000003f";
  const record = encodeScalars({ step: 300, wallTime: 1.5, values: { a: 0.5 } });
  expect(Buffer.from(record.subarray(12, -4)).toString("hex")).toBe(expected);
});

it("gives each scalar its own value, steps of any size, and no scalar no value", () => {
  const hex = (record: Uint8Array) => Buffer.from(record.subarray(12, -4)).toString("hex");
  const value = (tag: string, float: string) => `0a080a01${Buffer.from(tag).toString("hex")}15${float}`;
  const two = encodeScalars({ step: 0, wallTime: 1.5, values: { a: 0.5, b: -2 } });
  expect(hex(two)).toBe(`09000000000000f83f10002a14${value("a", "0000003f")}${value("b", "000000c0")}`);
  for (const [step, varint] of [
    [127, "7f"],
    [128, "8001"],
    [16384, "808001"],
    [2 ** 31, "8080808008"],
    [2 ** 40 + 1, "818080808020"],
  ] as const) {
    expect(hex(encodeScalars({ step, wallTime: 0, values: {} }))).toBe(`09000000000000000010${varint}2a00`);
  }
  // A text of more than 127 bytes needs a length of two.
  const long = "x".repeat(200);
  expect(hex(encodeScalars({ step: 1, wallTime: 0, values: { [long]: 1 } }))).toBe(
    `09000000000000000010012ad3010ad0010ac801${Buffer.from(long).toString("hex")}150000803f`,
  );
});

it("frames every record in the same way", () => {
  const record = encodeScalars({ step: 3, wallTime: 1, values: { a: 1 } });
  const view = new DataView(record.buffer, record.byteOffset, record.length);
  expect(Number(view.getBigUint64(0, true))).toBe(record.length - 16);
  expect(view.getUint32(8, true)).toBe(maskedCrc(record.subarray(0, 8)));
  expect(view.getUint32(record.length - 4, true)).toBe(maskedCrc(record.subarray(12, -4)));
  expect(Buffer.from(encodeFileVersion(1.5).subarray(12, -4)).toString("latin1")).toBe(
    "\x09\0\0\0\0\0\0\xf8\x3f\x1a\x0dbrain.Event:2",
  );
});
