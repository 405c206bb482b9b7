/* Descent on single rows of a linear model: every row in turn is a step.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef FL_LINEAR_CALL_H
#define FL_LINEAR_CALL_H

#include "dispatch.h"

/* Everything a run of steps needs; all arrays are of one float type. Set everything to zero first ({0}). */
typedef struct fl_descent {
    int type;        /* 0: float, 1: double */
    fl_linear model; /* scale 1 */
    /* The data: rows of d entries, x_stride apart, or with indptr rows in CSR format; and which rows, in order. */
    const void *x;
    ptrdiff_t x_stride;
    const void *indptr, *indices;
    int index_bits; /* of both */
    const int64_t *order;
    ptrdiff_t count;
    /* The loss of row 0, with reduction FL_SUM, in place: pred and grad are a buffer of c entries. */
    int loss;
    fl_loss_call call;
    ptrdiff_t target_bytes, weight_bytes; /* from row to row */
    double factor;                        /* of each row's loss */
    int root;                             /* the loss is the root of that */
    /* The optimizer. Without grad, a buffer of all parameters, it is plain gradient descent. */
    void *grad;
    int update, skip; /* skip: gradients that are not finite make no step and no error */
    fl_update_call *update_call;
    const double *lr; /* for each step */
    /* Written: sums over the rows, each before its step; steps taken. */
    double loss_sum, penalty_sum;
    ptrdiff_t steps;
} fl_descent;

/* FL_OK, or FL_NONFINITE as an optimizer gives it. On the calling thread alone, but for the update of large models. */
fl_status fl_run_descent(fl_descent *descent);

#endif
