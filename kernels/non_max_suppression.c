// Boxes of the best scores that hardly overlap better ones.
#include "pool.h"
#include "ranked.h"
#include "tasks.h"

typedef struct {
  float y0, x0, y1, x1;
} box_corners;

INLINE float smaller_of(float a, float b) { return a < b ? a : b; }
INLINE float larger_of(float a, float b) { return a > b ? a : b; }

static box_corners corners_of(const float *box, int centers) {
  if (centers) {
    const float height = box[3] / 2, width = box[2] / 2;
    return (box_corners){box[1] - height, box[0] - width, box[1] + height, box[0] + width};
  }
  return (box_corners){smaller_of(box[0], box[2]), smaller_of(box[1], box[3]), larger_of(box[0], box[2]), larger_of(box[1], box[3])};
}

// Whether the intersection is more than `threshold` of the union.
static int overlap(box_corners a, box_corners b, float threshold) {
  const float height = smaller_of(a.y1, b.y1) - larger_of(a.y0, b.y0), width = smaller_of(a.x1, b.x1) - larger_of(a.x0, b.x0);
  if (!(height > 0 && width > 0)) return 0;
  const float area_a = (a.y1 - a.y0) * (a.x1 - a.x0), area_b = (b.y1 - b.y0) * (b.x1 - b.x0);
  const float both = height * width, either = area_a + area_b - both;
  return area_a > 0 && area_b > 0 && either > 0 && both / either > threshold;
}

int non_max_suppression_forward_tasks(const non_max_suppression_forward_args *args) { return args->batch * args->classes; }

void non_max_suppression_forward_task(const non_max_suppression_forward_args *args, int task, int thread) {
  const ranking r = {F32(args->scores) + (long)task * args->boxes, 1, 0};
  const float *boxes = F32(args->boxes_at) + (long)(task / args->classes) * args->boxes * 4;
  float *chosen = F32(args->chosen) + (long)task * (1 + args->limit);
  int *heap = (int *)pool_scratch(thread), left = 0, count = 0;
  for (int i = 0; i < args->boxes; i++)
    if (r.values[i] > args->score_threshold) heap[left++] = i;
  make_heap(&r, 0, heap, left);
  while (left > 0 && count < args->limit) {
    const int best = heap[0];
    heap[0] = heap[--left];
    sift_down(&r, 0, heap, left, 0);
    const box_corners box = corners_of(boxes + best * 4, args->centers);
    int keep = 1;
    for (int j = 0; j < count && keep; j++)
      keep = !overlap(box, corners_of(boxes + (int)chosen[1 + j] * 4, args->centers), args->iou_threshold);
    if (keep) chosen[1 + count++] = (float)best;
  }
  chosen[0] = (float)count;
}

int non_max_suppression_list_tasks(const non_max_suppression_list_args *args) { return (void)args, 1; }

void non_max_suppression_list_task(const non_max_suppression_list_args *args, int task, int thread) {
  (void)task, (void)thread;
  float *y = F32(args->y), *end = y + (long)args->rows * args->limit * 3;
  for (int row = 0; row < args->rows; row++) {
    const float *chosen = F32(args->chosen) + (long)row * (1 + args->limit);
    for (int i = 0; i < (int)chosen[0]; i++) {
      *y++ = (float)(row / args->classes);
      *y++ = (float)(row % args->classes);
      *y++ = chosen[1 + i];
    }
  }
  *F32(args->count) = (float)((y - F32(args->y)) / 3);
  while (y < end) *y++ = 0;
}
