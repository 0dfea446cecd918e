#include "tasks.h"

int sgd_step_tasks(const sgd_step_args *args) { return element_tasks(args->n); }
void sgd_step_task(const sgd_step_args *args, int task, int thread) {
  (void)thread;
  const span part = element_span(args->n, task);
  float *p = F32(args->parameter) + part.begin, *v = F32(args->velocity) + part.begin;
  const float *gradient = F32(args->gradient) + part.begin;
  const vf lr = splat(args->lr), momentum = splat(args->momentum), decay = splat(args->weight_decay);
  const vf scale = splat(args->gradient_scale);
  // The step goes along own · g + momentum · v: (1, momentum) for Nesterov, (0, 1) without.
  const vf own = splat(args->nesterov ? 1 : 0), along = args->nesterov ? momentum : splat(1);
  FOR_VECTORS(i, count, part.end - part.begin,
    vf value = load_lanes(p + i, count);
    vf g = load_lanes(gradient + i, count) * scale + decay * value;
    vf velocity = momentum * load_lanes(v + i, count) + g;
    store_lanes(v + i, velocity, count);
    store_lanes(p + i, value - lr * (own * g + along * velocity), count););
}

int adamw_step_tasks(const adamw_step_args *args) { return element_tasks(args->n); }
void adamw_step_task(const adamw_step_args *args, int task, int thread) {
  (void)thread;
  const span part = element_span(args->n, task);
  float *p = F32(args->parameter) + part.begin, *m = F32(args->mean) + part.begin, *s = F32(args->square) + part.begin;
  const float *gradient = F32(args->gradient) + part.begin;
  const vf scale = splat(args->gradient_scale), rate1 = splat(args->rate1), rate2 = splat(args->rate2);
  const vf shrink = splat(args->lr * args->weight_decay), step = splat(args->lr / args->correction1);
  const vf unbias = splat(1 / args->correction2), epsilon = splat(args->epsilon);
  FOR_VECTORS(i, count, part.end - part.begin,
    vf g = load_lanes(gradient + i, count) * scale;
    vf mean = load_lanes(m + i, count);
    mean += rate1 * (g - mean);
    vf square = load_lanes(s + i, count);
    square += rate2 * (g * g - square);
    vf value = load_lanes(p + i, count);
    value -= shrink * value;
    store_lanes(m + i, mean, count);
    store_lanes(s + i, square, count);
    store_lanes(p + i, value - step * mean / (vsqrt(square * unbias) + epsilon), count););
}

int ema_update_tasks(const ema_update_args *args) { return element_tasks(args->n); }
void ema_update_task(const ema_update_args *args, int task, int thread) {
  (void)thread;
  const span part = element_span(args->n, task);
  float *shadow = F32(args->shadow) + part.begin;
  const float *parameter = F32(args->parameter) + part.begin;
  const vf rate = splat(args->rate);
  FOR_VECTORS(i, count, part.end - part.begin,
    vf value = load_lanes(shadow + i, count);
    store_lanes(shadow + i, value + rate * (load_lanes(parameter + i, count) - value), count););
}
