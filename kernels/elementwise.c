#include "math_functions.h"
#include "tasks.h"

// Defines an elementwise kernel: the statements see the arguments as `args` and write elements i … i + count − 1.
#define ELEMENTWISE(NAME, POINTERS, ...)                                                      \
  int NAME##_tasks(const NAME##_args *args) { return element_tasks(args->n); }                \
  void NAME##_task(const NAME##_args *args, int task, int thread) {                           \
    (void)thread;                                                                             \
    const span part = element_span(args->n, task);                                            \
    const int begin = part.begin;                                                             \
    POINTERS                                                                                  \
    FOR_VECTORS(i, count, part.end - begin, __VA_ARGS__);                                     \
  }

#define IN(NAME) const float *NAME = F32(args->NAME) + begin;
#define OUT(NAME) float *NAME = F32(args->NAME) + begin;

// Writes a result, or adds it to what is there.
INLINE void put(float *y, vf value, int count, int accumulate) {
  store_lanes(y, accumulate ? load_lanes(y, count) + value : value, count);
}

ELEMENTWISE(fill, OUT(y) const vf value = splat(args->value);, store_lanes(y + i, value, count);)

ELEMENTWISE(copy, IN(x) OUT(y), store_lanes(y + i, load_lanes(x + i, count), count);)

ELEMENTWISE(add, IN(a) IN(b) OUT(y), store_lanes(y + i, load_lanes(a + i, count) + load_lanes(b + i, count), count);)

ELEMENTWISE(axpy, IN(x) OUT(y) const vf alpha = splat(args->alpha);,
            store_lanes(y + i, load_lanes(y + i, count) + alpha * load_lanes(x + i, count), count);)

ELEMENTWISE(scale, IN(x) OUT(y) const vf alpha = splat(args->alpha);,
            store_lanes(y + i, alpha * load_lanes(x + i, count), count);)

ELEMENTWISE(multiply, IN(a) IN(b) OUT(y) const int accumulate = args->accumulate;,
            put(y + i, load_lanes(a + i, count) * load_lanes(b + i, count), count, accumulate);)

ELEMENTWISE(relu_forward, IN(x) OUT(y), store_lanes(y + i, vmax(load_lanes(x + i, count), splat(0)), count);)

ELEMENTWISE(relu_backward, IN(y) IN(dy) OUT(dx) const int accumulate = args->accumulate;,
            vf passed = vselect(load_lanes(y + i, count) > 0, load_lanes(dy + i, count), splat(0));
            put(dx + i, passed, count, accumulate);)

ELEMENTWISE(sigmoid_forward, IN(x) OUT(y),
            store_lanes(y + i, 1.0f / (1.0f + vexp(-load_lanes(x + i, count))), count);)

ELEMENTWISE(sigmoid_backward, IN(y) IN(dy) OUT(dx) const int accumulate = args->accumulate;,
            vf value = load_lanes(y + i, count);
            put(dx + i, load_lanes(dy + i, count) * value * (1.0f - value), count, accumulate);)

ELEMENTWISE(clip_forward, IN(x) OUT(y) const vf low = splat(args->low); const vf high = splat(args->high);,
            store_lanes(y + i, vmin(vmax(load_lanes(x + i, count), low), high), count);)

ELEMENTWISE(leaky_relu_forward, IN(x) OUT(y) const vf alpha = splat(args->alpha);,
            vf value = load_lanes(x + i, count);
            store_lanes(y + i, vselect(value < 0, alpha * value, value), count);)

ELEMENTWISE(swish_forward, IN(x) OUT(y) const vf alpha = splat(args->alpha);,
            vf value = load_lanes(x + i, count);
            store_lanes(y + i, value / (1.0f + vexp(-alpha * value)), count);)

ELEMENTWISE(hard_sigmoid_forward,
            IN(x) OUT(y) const vf alpha = splat(args->alpha); const vf beta = splat(args->beta);
            const int gated = args->gated;,
            vf value = load_lanes(x + i, count);
            vf gate = vmin(vmax(alpha * value + beta, splat(0)), splat(1));
            store_lanes(y + i, gated ? value * gate : gate, count);)
