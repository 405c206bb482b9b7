/* The loop of single-sample descent: for each row its scores, loss, gradient and step, through the tables of kernels.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "linear_call.h"

#include <math.h>

#include "update_call.h"

static fl_row row_at(const fl_descent *d, ptrdiff_t number) {
    const ptrdiff_t size = d->type == 0 ? (ptrdiff_t)sizeof(float) : (ptrdiff_t)sizeof(double);
    const char *x = (const char *)d->x;
    if (!d->indptr) return (fl_row){.entry = x + number * d->x_stride * size};
    const ptrdiff_t begin = fl_index_at(d->indptr, d->index_bits, number);
    const ptrdiff_t end = fl_index_at(d->indptr, d->index_bits, number + 1);
    return (fl_row){.entry = x + begin * size,
                    .index = (const char *)d->indices + begin * (d->index_bits / 8),
                    .index_bits = d->index_bits,
                    .count = end - begin};
}

/* The row's loss; leaves its derivative in the scores' place, to be multiplied by *factor. */
static double loss_of(const fl_descent *d, fl_loss_call *call, fl_loss_kernel kernel, ptrdiff_t number,
                      double *factor) {
    call->target = (const char *)d->call.target + number * d->target_bytes;
    if (call->weight) call->weight = (const char *)d->call.weight + number * d->weight_bytes;
    const double value = kernel(call, (fl_part){0, call->n, 0, call->c}) * d->factor;
    *factor = d->factor;
    if (!d->root) return value;
    const double root = sqrt(value);
    *factor = root > 0 ? d->factor / (2 * root) : 0;
    return root;
}

fl_status fl_run_descent(fl_descent *d) {
    const fl_table *table = fl_tables(d->type);
    const fl_loss_kernel kernel = table->loss[d->loss];
    fl_status status = FL_OK;
    d->loss_sum = d->penalty_sum = 0;
    d->steps = 0;
    fl_loss_call call = d->call; /* walks from row to row */
    call.scale[0] = call.scale[1] = 1;
    if (d->indptr) table->linear_settle(&d->model);
    for (ptrdiff_t i = 0; i < d->count && status == FL_OK; i++) {
        const fl_row row = row_at(d, d->order[i]);
        double factor;
        table->linear_scores(&d->model, &row, d->call.grad);
        d->loss_sum += loss_of(d, &call, kernel, d->order[i], &factor);
        const double lr = d->lr[d->steps];
        if (!d->grad) {
            d->penalty_sum += table->linear_step(&d->model, &row, d->call.grad, factor, lr);
            d->steps++;
            continue;
        }
        d->penalty_sum += table->linear_gradient(&d->model, &row, d->call.grad, factor, d->grad);
        d->update_call->lr = lr;
        status = fl_run_update(d->update, d->update_call);
        d->steps += status == FL_OK;
        if (d->skip) status = FL_OK;
    }
    if (d->indptr) table->linear_settle(&d->model);
    return status;
}
