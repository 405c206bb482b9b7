/* Running the parts of a call, on several threads where that pays.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef FL_THREADS_H
#define FL_THREADS_H

#include <stddef.h>

typedef double (*fl_task)(const void *context, ptrdiff_t item);

/* The sum of task(context, 0 ... items - 1). Items are added in fixed groups, and the groups in order, so the result
 * has the same bits for every number of threads. `work`: the whole in cheap entries; threads start above a threshold. */
double fl_sum_items(fl_task task, const void *context, ptrdiff_t items, double work);

/* Calls task(context, group, begin, end) for ranges that together are 0 ... items - 1: at most FL_GROUPS of them,
 * fixed by `items` alone, in any order and on any thread. */
#define FL_GROUPS 256
typedef void (*fl_group_task)(void *context, ptrdiff_t group, ptrdiff_t begin, ptrdiff_t end);
void fl_run_groups(fl_group_task task, void *context, ptrdiff_t items, double work);

#endif
