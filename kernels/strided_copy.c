// Transposing, cropping, stepping, repeating, interleaving: whatever only moves numbers by fixed steps.
#include "tasks.h"

#define AXES 6

// Where a row, what lies along the last axis, is read and written, in words from the beginning.
typedef struct {
  int index[AXES - 1];
  long from, to;
} row_place;

// The arguments lie one after another: six sizes, six steps of x, six of y.
typedef struct {
  const int32_t *sizes, *from, *to;
} geometry;
INLINE geometry geometry_of(const strided_copy_args *args) {
  return (geometry){&args->size0, &args->x_step0, &args->y_step0};
}

static row_place first_row(geometry g, int row) {
  row_place place = {{0}, 0, 0};
  for (int axis = AXES - 2; axis >= 0; axis--) {
    const int index = row % g.sizes[axis];
    row /= g.sizes[axis];
    place.index[axis] = index;
    place.from += (long)index * g.from[axis];
    place.to += (long)index * g.to[axis];
  }
  return place;
}

static void next_row(row_place *place, geometry g) {
  for (int axis = AXES - 2; axis >= 0; axis--) {
    const int ends = ++place->index[axis] == g.sizes[axis];
    const long steps = ends ? 1 - g.sizes[axis] : 1;
    place->from += steps * g.from[axis];
    place->to += steps * g.to[axis];
    if (!ends) return;
    place->index[axis] = 0;
  }
}

static void copy_strided(const float *x, long from, float *y, long to, int n) {
  if (from == 1 && to == 1) FOR_VECTORS(i, count, n, store_lanes(y + i, load_lanes(x + i, count), count););
  else if (from == 0 && to == 1) FOR_VECTORS(i, count, n, store_lanes(y + i, splat(*x), count););
  else for (int i = 0; i < n; i++, x += from, y += to) *y = *x;
}

INLINE int row_count(geometry g) {
  int rows = 1;
  for (int axis = 0; axis < AXES - 1; axis++) rows *= g.sizes[axis];
  return rows;
}

int strided_copy_tasks(const strided_copy_args *args) {
  return row_tasks(row_count(geometry_of(args)), args->size5);
}
void strided_copy_task(const strided_copy_args *args, int task, int thread) {
  (void)thread;
  const geometry g = geometry_of(args);
  const span part = row_span(row_count(g), args->size5, task);
  row_place place = first_row(g, part.begin);
  for (int row = part.begin; row < part.end; row++, next_row(&place, g))
    copy_strided(F32(args->x) + place.from, args->x_step5, F32(args->y) + place.to, args->y_step5, args->size5);
}
