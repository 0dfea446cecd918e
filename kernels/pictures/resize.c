// The two passes of src/data/resize.ts over 8-bit pictures, in WebAssembly of their own: they need no backend, and every worker has them at once.
// Fixed point with wrapping int32 sums, so the bytes are those of the TypeScript passes. Readers and writers of whole vectors may touch up to
// 15 bytes past the end of a row: callers leave room.
#include <stdint.h>

typedef uint8_t u8x4 __attribute__((vector_size(4), aligned(1)));
typedef uint8_t u8x16 __attribute__((vector_size(16), aligned(1)));
typedef int16_t i16x8 __attribute__((vector_size(16)));
typedef int32_t i32x4 __attribute__((vector_size(16)));

#define PRECISION_BITS 22
#define HALF (1 << (PRECISION_BITS - 1))

/** The weighted sums of 16 values, in bytes. They are never negative, and those over 255 become 255. */
static u8x16 bytes_of(i32x4 a, i32x4 b, i32x4 c, i32x4 d) {
  i16x8 low = __builtin_wasm_narrow_s_i16x8_i32x4(a >> PRECISION_BITS, b >> PRECISION_BITS);
  i16x8 high = __builtin_wasm_narrow_s_i16x8_i32x4(c >> PRECISION_BITS, d >> PRECISION_BITS);
  return (u8x16)__builtin_wasm_narrow_u_i8x16_i16x8(low, high);
}

static i32x4 widen(const uint8_t *from) {
  return __builtin_convertvector(*(const u8x4 *)from, i32x4);
}

/** [rows][stride] of RGB → [rows][width][3] */
__attribute__((export_name("horizontal_rgb"))) void horizontal_rgb(const uint8_t *data, int32_t stride, int32_t rows,
                                                                    const int32_t *starts, const int32_t *counts,
                                                                    const int32_t *weights, int32_t taps, uint8_t *out,
                                                                    int32_t width) {
  for (int32_t y = 0; y < rows; y++, data += stride, out += width * 3) {
    const int32_t *row = weights;
    for (int32_t x = 0; x < width; x++, row += taps) {
      const uint8_t *from = data + starts[x] * 3;
      i32x4 sum = {HALF, HALF, HALF, HALF};
      for (int32_t i = 0; i < counts[x]; i++) sum += widen(from + i * 3) * row[i];
      u8x16 bytes = bytes_of(sum, sum, sum, sum);
      *(u8x4 *)(out + x * 3) = __builtin_shufflevector(bytes, bytes, 0, 1, 2, 3); // the fourth is the next pixel's
    }
  }
}

/** [rows][stride] of grey → [rows][width] */
__attribute__((export_name("horizontal_grey"))) void horizontal_grey(const uint8_t *data, int32_t stride, int32_t rows,
                                                                      const int32_t *starts, const int32_t *counts,
                                                                      const int32_t *weights, int32_t taps, uint8_t *out,
                                                                      int32_t width) {
  for (int32_t y = 0; y < rows; y++, data += stride, out += width) {
    const int32_t *row = weights;
    for (int32_t x = 0; x < width; x++, row += taps) {
      int32_t sum = HALF;
      for (int32_t i = 0; i < counts[x]; i++) sum += data[starts[x] + i] * row[i];
      sum >>= PRECISION_BITS;
      out[x] = sum > 255 ? 255 : (uint8_t)sum;
    }
  }
}

/** Rows of `length` bytes, of which output row y weighs those from starts[y] − first → [height][length] */
__attribute__((export_name("vertical"))) void vertical(const uint8_t *data, int32_t first, int32_t length,
                                                        const int32_t *starts, const int32_t *counts,
                                                        const int32_t *weights, int32_t taps, uint8_t *out,
                                                        int32_t height) {
  for (int32_t y = 0; y < height; y++, weights += taps, out += length) {
    const uint8_t *rows = data + (starts[y] - first) * length;
    for (int32_t x = 0; x < length; x += 16) {
      i32x4 half = {HALF, HALF, HALF, HALF};
      i32x4 a = half, b = half, c = half, d = half;
      const uint8_t *from = rows + x;
      for (int32_t i = 0; i < counts[y]; i++, from += length) {
        a += widen(from) * weights[i];
        b += widen(from + 4) * weights[i];
        c += widen(from + 8) * weights[i];
        d += widen(from + 12) * weights[i];
      }
      *(u8x16 *)(out + x) = bytes_of(a, b, c, d); // what goes past a row's end, the next row writes over
    }
  }
}
