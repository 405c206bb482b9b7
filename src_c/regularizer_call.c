/* Cuts a regularizer's call into parts that threads can share. The parts are fixed by the shape alone, and no sum but
 * the value's crosses them.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "regularizer_call.h"

#include "threads.h"

#define FL_PART_ENTRIES 16384 /* entries of a part: 64 to 128 KB a float array, so a part's arrays fit in L2 */
#define FL_PART_COLUMNS 128   /* features of a part in a table: whole strips of floats and of doubles */

typedef struct run {
    const fl_regularizer_call *call;
    fl_regularizer_kernel kernel;
    ptrdiff_t rows_per_part, parts_per_row, columns_per_part;
} run;

static ptrdiff_t parts_of(ptrdiff_t n, ptrdiff_t size) { return n / size + (n % size != 0); }

/* Several whole rows, or pieces of one. */
static void plan_entries(run *r) {
    const ptrdiff_t c = r->call->c;
    r->columns_per_part = c;
    r->rows_per_part = 1;
    if (c <= FL_PART_ENTRIES)
        r->rows_per_part = FL_PART_ENTRIES / c;
    else
        r->columns_per_part = FL_PART_ENTRIES;
}

/* All rows of a few features. */
static void plan_features(run *r) {
    const ptrdiff_t n = r->call->n, k = r->call->k, entries = k > FL_PART_ENTRIES / n ? FL_PART_ENTRIES : n * k;
    r->rows_per_part = n;
    r->columns_per_part = k == 1 && r->call->x_step == 1 ? FL_PART_COLUMNS : FL_PART_ENTRIES / entries;
}

static double run_part(const void *context, ptrdiff_t item) {
    const run *r = (const run *)context;
    const ptrdiff_t row = item / r->parts_per_row * r->rows_per_part;
    const ptrdiff_t column = item % r->parts_per_row * r->columns_per_part;
    const ptrdiff_t rows = r->call->n - row, columns = r->call->c - column;
    const fl_part part = {row, row + (rows < r->rows_per_part ? rows : r->rows_per_part), column,
                          column + (columns < r->columns_per_part ? columns : r->columns_per_part)};
    return r->kernel(r->call, part);
}

void fl_run_regularizer(const fl_regularizer_info *regularizer, int type, fl_regularizer_call *call) {
    const int features = regularizer->kind == FL_KIND_FEATURES;
    call->value = 0;
    if (call->n <= 0 || call->c <= 0 || (features && call->k <= 0)) return;
    run r = {call, fl_tables(type)->regularizer[regularizer - fl_regularizers], 1, 1, 1};
    if (features)
        plan_features(&r);
    else
        plan_entries(&r);
    r.parts_per_row = parts_of(call->c, r.columns_per_part);
    const ptrdiff_t items = parts_of(call->n, r.rows_per_part) * r.parts_per_row;
    const double entries = (double)call->n * (double)call->c * (features ? (double)call->k : 1);
    call->value = fl_sum_items(run_part, &r, items, entries * regularizer->cost);
}
