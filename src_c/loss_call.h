/* One call of a loss, from its arguments to its value.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef FL_LOSS_CALL_H
#define FL_LOSS_CALL_H

#include "dispatch.h"

/* type 0: float, 1: double. */
fl_status fl_run_loss(const fl_loss_info *loss, int type, fl_loss_call *call);

#endif
