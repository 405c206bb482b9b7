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

/* regularizers */
enum fl_regularizer_id {
#define FL_REGULARIZER(name, kind, cost) FL_REGULARIZER_##name,
#include "fastloss_kernels.def"
    FL_REGULARIZER_COUNT
};

/* Computes a part and returns its share of the value (0 where there is none). For the FEATURES kernels a part is the
 * features [column, column_end). */
typedef double (*fl_regularizer_kernel)(const fl_regularizer_call *call, fl_part part);

typedef void (*fl_random_kernel)(uint64_t seed, const uint32_t counter[4], ptrdiff_t blocks, uint32_t *word);

typedef struct fl_table {
    fl_loss_kernel loss[FL_LOSS_COUNT];
    fl_scan_kernel scan_labels, scan_weights;
    /* regularizers */
    fl_regularizer_kernel regularizer[FL_REGULARIZER_COUNT];
    fl_random_kernel random_words;
} fl_table;

#endif
