/* The kernel set in use, and the lists of losses and optimizers. For src_c and the Python module; not installed.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef FL_DISPATCH_H
#define FL_DISPATCH_H

#include "table.h"

typedef enum fl_kind {
    FL_KIND_POINTWISE,
    FL_KIND_ROOT,
    FL_KIND_PAIRS,
    FL_KIND_LABELS,
    FL_KIND_PROBABILITIES
} fl_kind;

typedef struct fl_loss_info {
    const char *name;
    fl_kind kind;
    int cost;
    fl_loss_function function[2]; /* float, double */
} fl_loss_info;

extern const fl_loss_info fl_losses[FL_LOSS_COUNT];

typedef struct fl_update_info {
    const char *name;
    int states;
    fl_update_function function;
} fl_update_info;

extern const fl_update_info fl_updates[FL_UPDATE_COUNT];

/* regularizers */
typedef enum fl_regularizer_kind { FL_KIND_ENTRIES, FL_KIND_FEATURES } fl_regularizer_kind;

typedef struct fl_regularizer_info {
    const char *name;
    fl_regularizer_kind kind;
    int cost;
    fl_regularizer_function function[2]; /* float, double */
} fl_regularizer_info;

extern const fl_regularizer_info fl_regularizers[FL_REGULARIZER_COUNT];

/* The public functions as the members of one table, and by name: "huber_f32". */
extern const fl_api fl_api_table;

typedef struct fl_public_function {
    const char *name;
    void (*address)(void);
} fl_public_function;

extern const fl_public_function fl_public_functions[]; /* a name that is NULL ends it */

/* The table in use for floats (type 0) or doubles (type 1). */
const fl_table *fl_tables(int type);

/* The names of the kernel sets that this machine can run, best first; NULL past the last. */
const char *fl_target_name(int i);

/* Switches; 0 if this machine cannot run it. Calls already under way may finish on the old one. */
int fl_use_target(const char *name);

/* How this was built. */
int fl_has_threads(void);
const char *fl_compiler(void);

#endif
