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
