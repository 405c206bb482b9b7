/* One step of an optimizer, from its arguments to the new parameters.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef FL_UPDATE_CALL_H
#define FL_UPDATE_CALL_H

#include "dispatch.h"

fl_status fl_run_update(int update, fl_update_call *call);

#endif
