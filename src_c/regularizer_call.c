/* Cuts a regularizer's call into parts that threads can share. The parts are fixed by the shape alone, and no sum but
 * the value's crosses them.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "regularizer_call.h"

#include "parts.h"
#include "threads.h"

#define FL_PART_COLUMNS 128   /* features of a part in a table: whole strips of floats and of doubles */

typedef struct run {
    const fl_regularizer_call *call;
    fl_regularizer_kernel kernel;
    fl_grid grid;
} run;

static ptrdiff_t parts_of(ptrdiff_t n, ptrdiff_t size) { return n / size + (n % size != 0); }

/* Several whole rows, or pieces of one. */
static void plan_entries(run *r) {
    const ptrdiff_t c = r->call->c;
    r->grid.columns_per_part = c;
    r->grid.rows_per_part = 1;
    if (c <= FL_PART_ENTRIES)
        r->grid.rows_per_part = FL_PART_ENTRIES / c;
    else
        r->grid.columns_per_part = FL_PART_ENTRIES;
}

/* All rows of a few features. */
static void plan_features(run *r) {
    const ptrdiff_t n = r->call->n, k = r->call->k, entries = k > FL_PART_ENTRIES / n ? FL_PART_ENTRIES : n * k;
    r->grid.rows_per_part = n;
    r->grid.columns_per_part = fl_is_table(r->call) ? FL_PART_COLUMNS : FL_PART_ENTRIES / entries;
}

static double run_part(const void *context, ptrdiff_t item) {
    const run *r = (const run *)context;
    return r->kernel(r->call, fl_part_at(&r->grid, r->call->n, r->call->c, item));
}

void fl_run_regularizer(const fl_regularizer_info *regularizer, int type, fl_regularizer_call *call) {
    const int features = regularizer->kind == FL_KIND_FEATURES;
    call->value = 0;
    if (call->n <= 0 || call->c <= 0 || (features && call->k <= 0)) return;
    run r = {call, fl_tables(type)->regularizer[regularizer - fl_regularizers], {1, 1, 1}};
    if (features)
        plan_features(&r);
    else
        plan_entries(&r);
    r.grid.parts_per_row = parts_of(call->c, r.grid.columns_per_part);
    const ptrdiff_t items = parts_of(call->n, r.grid.rows_per_part) * r.grid.parts_per_row;
    const double entries = (double)call->n * (double)call->c * (features ? (double)call->k : 1);
    call->value = fl_sum_items(run_part, &r, items, entries * regularizer->cost);
}
