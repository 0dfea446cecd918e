// Images sampled anywhere. Every channel is a lane; a task is some points of the output.
#include "tasks.h"

// What one axis contributes to a sample: up to 4 elements, −1 for those outside, and their weights.
typedef struct {
  int count, index[4];
  float weight[4];
} grid_taps;

enum { NEAREST, LINEAR, CUBIC };
enum { ZEROS, BORDER, REFLECTION };

// Where an element outside of an axis is taken from; −1: it is 0.
static int padded_index(int index, int size, int padding, int align_corners) {
  if (index >= 0 && index < size) return index;
  if (padding == ZEROS) return -1;
  if (padding == BORDER) return index < 0 ? 0 : size - 1;
  const int period = align_corners ? 2 * size - 2 : 2 * size;
  if (period == 0) return 0;
  const int within = (index % period + period) % period;
  return within < size ? within : align_corners ? period - within : period - 1 - within;
}

// Keys' filter with a = −0.75.
static float cubic_weight(float d) {
  const float a = -0.75f;
  return d <= 1 ? ((a + 2) * d - (a + 3)) * d * d + 1 : ((a * d - 5 * a) * d + 8 * a) * d - 4 * a;
}

static grid_taps grid_taps_of(const grid_sample_forward_args *args, float position, int size) {
  float at = args->align_corners ? (position + 1) / 2 * (float)(size - 1) : ((position + 1) * (float)size - 1) / 2;
  const float far = 1 << 30; // beyond it nothing lies but padding; what is no number lies there, too
  at = at > -far ? (at < far ? at : far) : -far;
  const float down = __builtin_floorf(at), part = at - down;
  const int first = (int)down;
  grid_taps t;
  if (args->mode == NEAREST) {
    t.count = 1;
    t.index[0] = first + (part > 0.5f || (part == 0.5f && (first & 1)));
    t.weight[0] = 1;
  } else if (args->mode == LINEAR) {
    t.count = 2;
    t.index[0] = first, t.weight[0] = 1 - part;
    t.index[1] = first + 1, t.weight[1] = part;
  } else {
    t.count = 4;
    for (int i = 0; i < 4; i++) t.index[i] = first - 1 + i, t.weight[i] = cubic_weight(i < 2 ? part + 1 - (float)i : (float)i - 1 - part);
  }
  for (int i = 0; i < t.count; i++) {
    t.index[i] = padded_index(t.index[i], size, args->padding, args->align_corners);
    if (t.index[i] < 0) t.weight[i] = 0;
  }
  return t;
}

static void add_pixel(const float *x, float weight, int channels, float *y) {
  const vf weights = splat(weight);
  FOR_VECTORS(c, count, channels, store_lanes(y + c, load_lanes(y + c, count) + weights * load_lanes(x + c, count), count););
}

static void sample_point(const grid_sample_forward_args *args, const float *image, const float *position, float *y) {
  const int channels = args->channels;
  grid_taps z = {1, {0}, {1}};
  const grid_taps x = grid_taps_of(args, position[0], args->in_width), v = grid_taps_of(args, position[1], args->in_height);
  if (args->axes == 3) z = grid_taps_of(args, position[2], args->in_depth);
  FOR_VECTORS(c, count, channels, store_lanes(y + c, splat(0), count););
  for (int i = 0; i < z.count; i++)
    for (int j = 0; j < v.count; j++)
      for (int k = 0; k < x.count; k++) {
        const float weight = z.weight[i] * v.weight[j] * x.weight[k];
        if (weight == 0) continue;
        const long pixel = ((long)z.index[i] * args->in_height + v.index[j]) * args->in_width + x.index[k];
        add_pixel(image + pixel * channels, weight, channels, y);
      }
}

int grid_sample_forward_tasks(const grid_sample_forward_args *args) {
  return row_tasks(args->batch * args->points, 4 * args->channels);
}
void grid_sample_forward_task(const grid_sample_forward_args *args, int task, int thread) {
  (void)thread;
  const span part = row_span(args->batch * args->points, 4 * args->channels, task);
  const long image = (long)args->in_depth * args->in_height * args->in_width * args->channels;
  for (int point = part.begin; point < part.end; point++)
    sample_point(args, F32(args->x) + point / args->points * image, F32(args->grid) + (long)point * args->axes,
                 F32(args->y) + (long)point * args->channels);
}
