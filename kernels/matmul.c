// Matrix products of two computed operands, many at once: y = alpha · a·b + beta · c, each operand with strides of its own, so that
// transposed and broadcast ones are read where they lie.
//
// A task is up to BLOCK_ROWS rows of one product × some panels of its columns. It copies its parts of a and b into scratch memory, as the
// micro-kernels want them, DEPTH of the inner dimension at a time; every sum is made in one order whatever the tasks.
#include "conv_micro.h"
#include "conv_scratch.h"
#include "pool.h"

enum { BLOCK_ROWS = 64, DEPTH = 1024, MOST_PANELS = 16, TASK_MACS = 1 << 20 };

typedef struct {
  const float *a, *b, *c;
  float *y;
  int rows, columns;
} product_block;

INLINE int row_blocks(const matmul_forward_args *args) { return ceil_div(args->rows, BLOCK_ROWS); }

// Panels of a task: as many as make it worth handing out.
static int panels_a_task(const matmul_forward_args *args) {
  const int panels = ceil_div(args->columns, PANEL);
  const int panel_macs = min_int(args->rows, BLOCK_ROWS) * min_int(args->depth, 1 << 14) * PANEL;
  const int wanted = min_int(min_int(MOST_PANELS, panels), ceil_div(TASK_MACS, panel_macs));
  return ceil_div(panels, ceil_div(panels, wanted));
}

static int panel_blocks(const matmul_forward_args *args) {
  return ceil_div(ceil_div(args->columns, PANEL), panels_a_task(args));
}

int matmul_forward_tasks(const matmul_forward_args *args) {
  return args->batch0 * args->batch1 * row_blocks(args) * panel_blocks(args);
}

static product_block product_block_of(const matmul_forward_args *args, int task) {
  const int blocks = panel_blocks(args), width = panels_a_task(args) * PANEL;
  const int column = task % blocks * width, row = task / blocks % row_blocks(args) * BLOCK_ROWS;
  const int product = task / blocks / row_blocks(args), i = product / args->batch1, j = product % args->batch1;
  product_block p;
  p.a = F32(args->a) + (long)i * args->a_step0 + (long)j * args->a_step1 + (long)row * args->a_row;
  p.b = F32(args->b) + (long)i * args->b_step0 + (long)j * args->b_step1 + (long)column * args->b_column;
  p.c = 0;
  if (args->c)
    p.c = F32(args->c) + (long)i * args->c_step0 + (long)j * args->c_step1 + (long)row * args->c_row + (long)column * args->c_column;
  p.y = F32(args->y) + (long)i * args->y_step0 + (long)j * args->y_step1 + (long)row * args->y_row + column;
  p.rows = min_int(BLOCK_ROWS, args->rows - row);
  p.columns = min_int(width, args->columns - column);
  return p;
}

// to [rows][depth], and rows of zeros up to whole micro-tiles.
static void copy_a(const float *a, long row, long column, int rows, int depth, float *to) {
  for (int r = 0; r < rows; r++, a += row, to += depth) {
    if (column == 1) {
      FOR_VECTORS(k, count, depth, store_lanes(to + k, load_lanes(a + k, count), count););
    } else {
      for (int k = 0; k < depth; k++) to[k] = a[k * column];
    }
  }
  const int left = (ceil_div(rows, MICRO_ROWS) * MICRO_ROWS - rows) * depth;
  for (int k = 0; k < left; k++) to[k] = 0;
}

// to [depth][PANEL], columns that are not there 0.
static void copy_b(const float *b, long row, long column, int depth, int columns, float *to) {
  for (int k = 0; k < depth; k++, b += row, to += PANEL) {
    if (column == 1 && columns == PANEL) {
      for (int c = 0; c < PANEL; c += LANES) store(to + c, load(b + c));
      continue;
    }
    for (int c = 0; c < columns; c++) to[c] = b[c * column];
    for (int c = columns; c < PANEL; c++) to[c] = 0;
  }
}

// A row of a panel: y = max(floor, alpha · sums + beta · c).
static void store_row(const matmul_forward_args *args, const float *sums, const float *c, float *y, int columns) {
  const vf alpha = splat(args->alpha), beta = splat(args->beta), floor = splat(args->relu ? 0 : -__builtin_inff());
  FOR_VECTORS(i, count, columns, {
    vf v = alpha * load(sums + i);
    if (c) v += beta * (args->c_column ? load_lanes(c + i, count) : splat(*c));
    store_lanes(y + i, vmax(v, floor), count);
  });
}

void matmul_forward_task(const matmul_forward_args *args, int task, int thread) {
  const product_block p = product_block_of(args, task);
  const int panels = ceil_div(p.columns, PANEL), made = ceil_div(p.rows, MICRO_ROWS) * MICRO_ROWS;
  scratch s = scratch_of(thread);
  float *a = scratch_floats(&s, made * DEPTH), *b = scratch_floats(&s, DEPTH * PANEL);
  float *sums = scratch_floats(&s, (long)panels * made * PANEL);
  for (int k = 0; k < args->depth; k += DEPTH) {
    const int depth = min_int(DEPTH, args->depth - k);
    copy_a(p.a + (long)k * args->a_column, args->a_row, args->a_column, p.rows, depth, a);
    for (int panel = 0; panel < panels; panel++) {
      const int columns = min_int(PANEL, p.columns - panel * PANEL);
      copy_b(p.b + (long)k * args->b_row + (long)panel * PANEL * args->b_column, args->b_row, args->b_column, depth, columns, b);
      micro_rows(a, depth, p.rows, b, 0, 0, depth, columns, k > 0, sums + (long)panel * made * PANEL);
    }
  }
  for (int panel = 0; panel < panels; panel++) {
    const int first = panel * PANEL, columns = min_int(PANEL, p.columns - first);
    for (int r = 0; r < p.rows; r++) {
      const float *c = p.c ? p.c + (long)r * args->c_row + (long)first * args->c_column : 0;
      store_row(args, sums + ((long)panel * made + r) * PANEL, c, p.y + (long)r * args->y_row + first, columns);
    }
  }
}
