/* One call of a regularizer, from its arguments to its value.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef FL_REGULARIZER_CALL_H
#define FL_REGULARIZER_CALL_H

#include "dispatch.h"

/* type 0: float, 1: double. */
void fl_run_regularizer(const fl_regularizer_info *regularizer, int type, fl_regularizer_call *call);

#endif
