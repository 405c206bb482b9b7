/* The shape of a kernel table: one function pointer per line of fastloss_kernels.def, one table per target and float
 * type. Filled in table.c, chosen in dispatch.c.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef FL_TABLE_H
#define FL_TABLE_H

#include "fastloss.h"

enum fl_loss_id {
#define FL_LOSS(name, kind, cost) FL_LOSS_##name,
#include "fastloss_kernels.def"
    FL_LOSS_COUNT
};

enum fl_update_id {
#define FL_UPDATE(name, states) FL_UPDATE_##name,
#include "fastloss_kernels.def"
    FL_UPDATE_COUNT
};

/* A part of a call: the entries [column, column_end) of the rows [row, row_end). Row kernels get whole rows. */
typedef struct fl_part {
    ptrdiff_t row, row_end, column, column_end;
} fl_part;

/* Computes a part, writes its outputs and returns its weighted sum of losses. */
typedef double (*fl_loss_kernel)(const fl_loss_call *call, fl_part part);

/* Checks all labels and weights of a call and adds the weights up; on failure sets `bad`. Writes nothing else. */
typedef fl_status (*fl_scan_kernel)(fl_loss_call *call);

/* The numbers of a step that are the same for all entries of a tensor; update_rates.c computes them. */
typedef struct fl_rates {
    int plain;                /* the gradient is taken as it is: no clipping, sign or decay */
    double limit, factor;     /* the gradient is clipped to +-limit, then multiplied */
    double decay;             /* times w is added to the gradient */
    double shrink;            /* w is multiplied by this first: decoupled decay */
    double rate, grad_rate;   /* w += rate * direction; grad_rate: NAdam's share of the bare gradient */
    double pull;              /* first moment: m += pull * (g - m), or with from_end: m = g + pull * (g - m) */
    double keep, take;        /* second moment: v = keep v + take g g */
    double root;              /* factor of sqrt(v) */
    double eps_inside, eps;   /* added below and above the root */
    double momentum, fresh;   /* b = momentum b + fresh g */
    int from_end, option;     /* option: Nesterov's look-ahead; RAdam's rectified step */
} fl_rates;

/* Updates the entries [begin, end) of a tensor. */
typedef void (*fl_update_kernel)(const fl_tensor *tensor, const fl_rates *rates, ptrdiff_t begin, ptrdiff_t end);

/* What is known of gradients. Everything in it is merged without rounding, so in any order: `largest` and `nan` by
 * maximum, the four parts of the sum of squares by addition. */
typedef struct fl_grad_summary {
    double largest;
    int nan;
    double squares[4];
} fl_grad_summary;

/* Merge the entries [begin, end) into a summary. scale: the limit of clipping by value, and the power of two that
 * brings the largest gradient below 1. At most FL_UPDATE_PART entries at once. */
typedef void (*fl_limits_kernel)(const fl_tensor *tensor, ptrdiff_t begin, ptrdiff_t end, fl_grad_summary *sum);
typedef void (*fl_squares_kernel)(const fl_tensor *tensor, ptrdiff_t begin, ptrdiff_t end, const double scale[2],
                                  fl_grad_summary *sum);

#ifndef FL_UPDATE_PART
#define FL_UPDATE_PART 16384 /* entries of a part: its arrays fit in L2, and gradients.c sums no more at once */
#endif

/* regularizers */
enum fl_regularizer_id {
#define FL_REGULARIZER(name, kind, cost) FL_REGULARIZER_##name,
#include "fastloss_kernels.def"
    FL_REGULARIZER_COUNT
};

/* Computes a part and returns its share of the value (0 where there is none). For the FEATURES kernels a part is the
 * features [column, column_end). */
typedef double (*fl_regularizer_kernel)(const fl_regularizer_call *call, fl_part part);

enum fl_function_id {
#define FL_FUNCTION(name, cost) FL_FUNCTION_##name,
#include "fastloss_kernels.def"
    FL_FUNCTION_COUNT
};

/* y[i] = f(x[i]) for n contiguous entries of the table's float type. */
typedef void (*fl_function_kernel)(const void *x, void *y, ptrdiff_t n);

/* Whether the features of a call are neighbouring columns in every one of its arrays. */
static inline int fl_is_table(const fl_regularizer_call *call) {
    return call->k == 1 && call->x_step == 1 && call->y_step == 1 && (!call->dy || call->dy_step == 1);
}

typedef void (*fl_random_kernel)(uint64_t seed, const uint32_t counter[4], ptrdiff_t blocks, uint32_t *word);

/* linear models */

/* A linear model with c scores from d features. Steps on sparse rows let coef stand for scale * coef, so that decay
 * touches one number; linear_settle makes scale 1 again, and must be called before the first of them too. */
typedef struct fl_linear {
    ptrdiff_t c, d;
    void *coef, *intercept;         /* c x d contiguous; c, or NULL: 0 */
    void *coef_sum, *intercept_sum; /* the gradients of all steps are added here */
    double l1, l2;                  /* the penalty on coef: l1 sum |w| + l2 sum w^2 */
    double scale, scale_sum;        /* the second: summed over the steps since scale was 1 */
    double square;                  /* sum of coef^2 */
} fl_linear;

/* A row of data: d entries, or with index only `count` of them, the columns of which may come in any order. */
typedef struct fl_row {
    const void *entry, *index;
    int index_bits;
    ptrdiff_t count;
} fl_row;

/* An index of 32 or 64 bits. */
static inline ptrdiff_t fl_index_at(const void *indices, int bits, ptrdiff_t i) {
    return bits == 32 ? ((const int32_t *)indices)[i] : (ptrdiff_t)((const int64_t *)indices)[i];
}

typedef void (*fl_scores_kernel)(const fl_linear *model, const fl_row *row, void *scores);
typedef double (*fl_gradient_kernel)(fl_linear *model, const fl_row *row, const void *derivative, double factor,
                                     void *grad);
typedef double (*fl_step_kernel)(fl_linear *model, const fl_row *row, const void *derivative, double factor,
                                 double lr);

typedef struct fl_table {
    fl_loss_kernel loss[FL_LOSS_COUNT];
    fl_scan_kernel scan_labels, scan_weights;
    fl_update_kernel update[FL_UPDATE_COUNT];
    fl_limits_kernel grad_limits;
    fl_squares_kernel grad_squares;

    /* regularizers */
    fl_regularizer_kernel regularizer[FL_REGULARIZER_COUNT];
    fl_random_kernel random_words;

    /* linear models */
    fl_scores_kernel linear_scores;
    fl_gradient_kernel linear_gradient;
    fl_step_kernel linear_step;
    void (*linear_settle)(fl_linear *model);

    fl_function_kernel function[FL_FUNCTION_COUNT];
} fl_table;

#endif
