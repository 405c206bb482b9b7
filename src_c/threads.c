/* Threads: how many, when, and in which order sums are merged. What an item is, the callers know.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "threads.h"

#include <limits.h>

#include "fastloss.h"

#ifdef _OPENMP
#include <omp.h>
#endif
#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#define FL_HAS_FORK 1
#else
#define FL_HAS_FORK 0
#endif

#define FL_PARALLEL_WORK 32768.0   /* cheap entries; below, waking a thread costs more than it saves */

static int thread_limit = 0; /* 0: not set; what OpenMP would use */

#ifdef _OPENMP
static volatile int forked = 0; /* libgomp's threads do not exist in a forked child, and it would wait for them */
#endif
#if FL_HAS_FORK && defined(_OPENMP)
static void in_child(void) { forked = 1; }
__attribute__((constructor)) static void watch_forks(void) { pthread_atfork(NULL, NULL, in_child); }
#endif

void fl_set_num_threads(int threads) { thread_limit = threads < 1 ? 1 : threads; }

int fl_get_num_threads(void) {
    if (thread_limit) return thread_limit;
#ifdef _OPENMP
    return omp_get_max_threads();
#else
    return 1;
#endif
}

/* The range of a group: items / groups rounded both ways, without the overflow of items * group. */
static void run_group(fl_group_task task, void *context, ptrdiff_t items, ptrdiff_t groups, ptrdiff_t group) {
    const ptrdiff_t size = items / groups, rest = items % groups;
    const ptrdiff_t begin = group * size + (group < rest ? group : rest);
    task(context, group, begin, begin + size + (group < rest));
}

void fl_run_groups(fl_group_task task, void *context, ptrdiff_t items, double work) {
    const ptrdiff_t groups = items < FL_GROUPS ? items : FL_GROUPS;
#ifdef _OPENMP
    int threads = work < FL_PARALLEL_WORK || groups < 2 || forked ? 1 : fl_get_num_threads();
    if (threads > 1 && threads > omp_get_num_procs()) threads = omp_get_num_procs(); /* the question is a system call */
    if (threads > 1 && !omp_in_parallel()) {
#pragma omp parallel for num_threads(threads) schedule(dynamic)
        for (ptrdiff_t g = 0; g < groups; g++) run_group(task, context, items, groups, g);
        return;
    }
#endif
    (void)work;
    for (ptrdiff_t g = 0; g < groups; g++) run_group(task, context, items, groups, g);
}

typedef struct sums {
    fl_task task;
    const void *context;
    double partial[FL_GROUPS]; /* merged in order, whichever thread computed which */
} sums;

static void sum_group(void *context, ptrdiff_t group, ptrdiff_t begin, ptrdiff_t end) {
    sums *s = (sums *)context;
    double sum = 0;
    for (ptrdiff_t i = begin; i < end; i++) sum += s->task(s->context, i);
    s->partial[group] = sum;
}

double fl_sum_items(fl_task task, const void *context, ptrdiff_t items, double work) {
    if (items == 1) return task(context, 0);
    const ptrdiff_t groups = items < FL_GROUPS ? items : FL_GROUPS;
    sums s; /* not cleared: 2 KB */
    double sum = 0;
    s.task = task;
    s.context = context;
    fl_run_groups(sum_group, &s, items, work);
    for (ptrdiff_t g = 0; g < groups; g++) sum += s.partial[g];
    return sum;
}
