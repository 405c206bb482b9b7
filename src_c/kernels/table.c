/* One target's kernels of one float type as a table. Compiled once per target and type, like the kernels.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "table.h"

#include "vec.h"

#define FL_LOSS(name, kind, cost) double FN(name)(const fl_loss_call *call, fl_part part);
#include "fastloss_kernels.def"

#define FL_UPDATE(name, states) \
    void FN(name)(const fl_tensor *tensor, const fl_rates *rates, ptrdiff_t begin, ptrdiff_t end);
#include "fastloss_kernels.def"

fl_status FN(scan_labels)(fl_loss_call *call);
fl_status FN(scan_weights)(fl_loss_call *call);
void FN(grad_limits)(const fl_tensor *tensor, ptrdiff_t begin, ptrdiff_t end, fl_grad_summary *sum);
void FN(grad_squares)(const fl_tensor *tensor, ptrdiff_t begin, ptrdiff_t end, const double scale[2],
                      fl_grad_summary *sum);

/* regularizers */
#define FL_REGULARIZER(name, kind, cost) double FN(name)(const fl_regularizer_call *call, fl_part part);
#include "fastloss_kernels.def"
void FN(random_words)(uint64_t seed, const uint32_t counter[4], ptrdiff_t blocks, uint32_t *word);

/* linear models */
void FN(linear_scores)(const fl_linear *model, const fl_row *row, void *scores);
double FN(linear_gradient)(fl_linear *model, const fl_row *row, const void *derivative, double factor, void *grad);
double FN(linear_step)(fl_linear *model, const fl_row *row, const void *derivative, double factor, double lr);
void FN(linear_settle)(fl_linear *model);

#define FL_FUNCTION(name, cost) void FN(name)(const void *x, void *y, ptrdiff_t n);
#include "fastloss_kernels.def"

extern const fl_table FN(table);
const fl_table FN(table) = {
    .loss =
        {
#define FL_LOSS(name, kind, cost) [FL_LOSS_##name] = FN(name),
#include "fastloss_kernels.def"
        },
    .scan_labels = FN(scan_labels),
    .scan_weights = FN(scan_weights),
    .update =
        {
#define FL_UPDATE(name, states) [FL_UPDATE_##name] = FN(name),
#include "fastloss_kernels.def"
        },
    .grad_limits = FN(grad_limits),
    .grad_squares = FN(grad_squares),

    /* regularizers */
    .regularizer =
        {
#define FL_REGULARIZER(name, kind, cost) [FL_REGULARIZER_##name] = FN(name),
#include "fastloss_kernels.def"
        },
    .random_words = FN(random_words),

    /* linear models */
    .linear_scores = FN(linear_scores),
    .linear_gradient = FN(linear_gradient),
    .linear_step = FN(linear_step),
    .linear_settle = FN(linear_settle),

    .function =
        {
#define FL_FUNCTION(name, cost) [FL_FUNCTION_##name] = FN(name),
#include "fastloss_kernels.def"
        },
};
