/* The numbers of a step that are the same for all entries of a tensor.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef FL_UPDATE_RATES_H
#define FL_UPDATE_RATES_H

#include "table.h"

/* Fills `rates` for the step that follows tensor->step; `factor` is what the gradient is multiplied by for its norm.
 * Returns the tensor's `product` after the step. */
double fl_update_rates(int update, const fl_update_call *call, const fl_tensor *tensor, double factor,
                       fl_rates *rates);

#endif
