// Functions of one element, chosen by their number in kernels.def.
#include "double_functions.h"
#include "math_functions.h"
#include "tasks.h"

typedef struct {
  vf alpha, beta, gamma;
} parameters;

// Defines a function of one vector. x is the element, p the parameters. A call for each vector costs little beside memory, and code is small.
#define UNARY(NAME, ...)                                                                      \
  static vf NAME(vf x, const parameters *p) {                                                 \
    (void)p;                                                                                  \
    return __VA_ARGS__;                                                                       \
  }

INLINE vf truth(vi mask) { return vselect(mask, splat(1), splat(0)); }
INLINE vf magnitude(vf x) { return (vf)((vi)x & 0x7fffffff); }
INLINE vf with_sign_of(vf magnitude, vf x) { return (vf)((vi)magnitude | ((vi)x & (int32_t)0x80000000)); }

// The series where 1 − erfc would cancel.
static vf verf(vf x) {
  const vd t = widen(magnitude(x)), q = t * t;
  vd series = splat_double(1.0 / 1320);
  series = 1.0 / 216 - series * q;
  series = 1.0 / 42 - series * q;
  series = 1.0 / 10 - series * q;
  series = 1.0 / 3 - series * q;
  series = (1.0 - series * q) * t * 1.1283791670955126;
  return with_sign_of(narrow(vselect_double(t < 0.35, series, 1.0 - erfc_double(t))), x);
}

// ½ x erfc(−x / √2), by erfc of a positive number on either side
INLINE vf vgelu(vf x) {
  const vd wide = widen(x), tail = erfc_double(vabs_double(wide) * 0.7071067811865476);
  const vd weight = vselect_double(wide < 0, tail, 2.0 - tail), product = 0.5 * wide * weight;
  return narrow(vselect_double(weight == 0, splat_double(0), product)); // −∞ · 0
}

// x σ(2 √(2/π) (x + 0.044715 x³)): the same as with tanh
INLINE vf vgelu_tanh(vf x) {
  const vd wide = widen(x), inner = 1.5957691216057308 * wide * (1.0 + 0.044715 * wide * wide);
  const vd product = wide / (1.0 + exp_double(-inner));
  return narrow(vselect_double(wide == -__builtin_inf(), splat_double(0), product));
}

INLINE vf vtanh(vf x) {
  const vd wide = widen(x), e = exp_double(2.0 * wide);
  return narrow(vselect_double(vabs_double(wide) < 1e-5, wide, (e - 1.0) / (e + 1.0)));
}

// x tanh(ln(1 + eˣ)) = x n / (n + 2) with n = eˣ (eˣ + 2)
INLINE vf vmish(vf x) {
  const vd wide = widen(x), e = exp_double(wide), n = e * (e + 2.0);
  return narrow(vselect_double(wide == -__builtin_inf(), splat_double(0), wide * (n / (n + 2.0))));
}

INLINE vf vsoftplus(vf x) {
  const vd wide = widen(x);
  return narrow(vselect_double(wide < 0, splat_double(0), wide) + log1p_double(exp_double(-vabs_double(wide))));
}

// beta x above 0, alpha (exp(gamma x) − 1) from there down
INLINE vf velu(vf x, const parameters *p) {
  return vselect(x > 0, p->beta * x, narrow(widen(p->alpha) * expm1_double(widen(p->gamma) * widen(x))));
}

// sin (x + quarter · π / 2); NaN from 2²⁷ on, where the argument could not be reduced in double.
INLINE vf vsine(vf x, int quarter) {
  const vd wide = widen(x), shifted = wide * 0.6366197723675814 + ROUNDER, n = shifted - ROUNDER;
  // π / 2 in three parts, the first two of 26 bits: their products with n are exact
  const vd r = wide - n * 0x1.921fb5p+0 - n * 0x1.110b46p-26 - n * 0x1.1a62633145c07p-54, q = r * r;
  const vl quadrant = (vl)shifted + quarter;
  vd sine = splat_double(-1.0 / 39916800), cosine = splat_double(1.0 / 479001600);
  sine = sine * q + 1.0 / 362880;
  cosine = cosine * q - 1.0 / 3628800;
  sine = sine * q - 1.0 / 5040;
  cosine = cosine * q + 1.0 / 40320;
  sine = sine * q + 1.0 / 120;
  cosine = cosine * q - 1.0 / 720;
  sine = sine * q - 1.0 / 6;
  cosine = cosine * q + 1.0 / 24;
  sine = (sine * q + 1.0) * r;
  cosine = (cosine * q - 0.5) * q + 1.0;
  const vd value = vselect_double((quadrant & 1) == 1, cosine, sine);
  const vd turned = vselect_double((quadrant & 2) == 2, -value, value);
  return narrow(vselect_double(vabs_double(wide) < 134217728.0, turned, splat_double(__builtin_nan(""))));
}

// Rounded to float16 and back, ties to even. Below 2⁻¹⁴ its numbers are multiples of 2⁻²⁴, as float32's are between ½ and 1.
INLINE vf vround_half(vf x) {
  const vi rounded = ((vi)x + 0xfff + (((vi)x >> 13) & 1)) & ~0x1fff;
  const vf size = magnitude((vf)rounded), normal = vselect(size >= 65536.0f, splat(__builtin_inff()), size);
  const vf value = vselect(magnitude(x) < 0x1p-14f, (magnitude(x) + 0.5f) - 0.5f, normal);
  return vselect(x == x, with_sign_of(value, x), x);
}

INLINE vf vround_bfloat16(vf x) {
  const vi rounded = ((vi)x + 0x7fff + (((vi)x >> 16) & 1)) & ~0xffff;
  return vselect(x == x, (vf)rounded, x);
}

UNARY(absolute, magnitude(x))
UNARY(negative, -x)
UNARY(sign, vselect(x == 0, x, vselect(x == x, with_sign_of(splat(1), x), x)))
UNARY(floor_of, vfloor(x))
UNARY(ceiling, -vfloor(-x))
UNARY(nearest, vround(x))
UNARY(truncated, with_sign_of(vfloor(magnitude(x)), x))
UNARY(square_root, vsqrt(x))
UNARY(reciprocal, 1.0f / x)
UNARY(exponential, vexp(x))
UNARY(logarithm, narrow(log_double(x)))
UNARY(error_function, verf(x))
UNARY(gelu, vgelu(x))
UNARY(gelu_tanh, vgelu_tanh(x))
UNARY(hyperbolic_tangent, vtanh(x))
UNARY(elu, velu(x, p))
UNARY(mish, vmish(x))
UNARY(softplus, vsoftplus(x))
UNARY(softsign, narrow(widen(x) / (1.0 + vabs_double(widen(x)))))
UNARY(threshold, vselect(x <= p->alpha, splat(0), x))
UNARY(sine, vsine(x, 0))
UNARY(cosine, vsine(x, 1))
UNARY(is_zero, truth(x == 0))
UNARY(is_not_zero, truth(x != 0))
UNARY(is_nan, truth(x != x))
UNARY(is_infinite, truth((x == p->alpha) | (x == p->beta)))
UNARY(to_half, vround_half(x))
UNARY(to_bfloat16, vround_bfloat16(x))

typedef vf unary(vf x, const parameters *p);
static unary *const functions[] = {
    absolute,  negative,   sign,      floor_of,       ceiling, nearest,   truncated,   square_root,        reciprocal, exponential,
    logarithm, error_function, gelu,  gelu_tanh,      hyperbolic_tangent, elu,         mish,      softplus, softsign,   threshold,
    sine,      cosine,     is_zero,   is_not_zero,    is_nan,  is_infinite,
    to_half,   to_bfloat16};

int unary_forward_tasks(const unary_forward_args *args) { return element_tasks(args->n); }
void unary_forward_task(const unary_forward_args *args, int task, int thread) {
  (void)thread;
  const span part = element_span(args->n, task);
  const parameters p = {splat(args->alpha), splat(args->beta), splat(args->gamma)};
  unary *const function = functions[args->operation];
  for (int i = part.begin; i < part.end; i += LANES) {
    const int count = min_int(LANES, part.end - i);
    store_lanes(F32(args->y) + i, function(load_lanes(F32(args->x) + i, count), &p), count);
  }
}
