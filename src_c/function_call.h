/* One call of an elementary function, from its arguments to its values.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef FL_FUNCTION_CALL_H
#define FL_FUNCTION_CALL_H

#include "dispatch.h"

/* type 0: float, 1: double; cost as in fastloss_kernels.def. */
void fl_run_function(int function, double cost, int type, const void *x, void *y, ptrdiff_t n);

#endif
