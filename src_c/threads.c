/* Threads: a small pool, how many work on a call and when, and in which order sums are merged. What an item is, the
 * callers know.
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * The caller's thread works on its call from the first moment to the last; the pool's threads help if they wake up in
 * time, and only those that have begun are waited for. So a thread that the system does not run (other programs, or
 * another library's threads spinning beside us) costs nothing but its help. OpenMP waits for every thread of its team
 * to arrive: after a matrix product in OpenBLAS that took 6 ms here, for a loss of 25 microseconds. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* sched_getaffinity */
#endif
#include "threads.h"

#include "fastloss.h"
#include "shared.h"

#if (defined(__unix__) || defined(__APPLE__)) && defined(__GNUC__)
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>
#define FL_HAS_THREADS 1
#else
#define FL_HAS_THREADS 0
#endif

#ifndef FL_PARALLEL_WORK
#define FL_PARALLEL_WORK 65536.0 /* cheap entries; below, waking a thread costs about what it saves */
#endif

static FL_SHARED(int) thread_limit = 1; /* the Python module and fl_set_num_threads say otherwise */

void fl_set_num_threads(int threads) { FL_STORE(thread_limit, threads < 1 ? 1 : threads); }
int fl_get_num_threads(void) { return FL_LOAD(thread_limit); }
int fl_has_threads(void) { return FL_HAS_THREADS; }

/* The range of a group: items / groups rounded both ways, without the overflow of items * group. */
static void run_group(fl_group_task task, void *context, ptrdiff_t items, ptrdiff_t groups, ptrdiff_t group) {
    const ptrdiff_t size = items / groups, rest = items % groups;
    const ptrdiff_t begin = group * size + (group < rest ? group : rest);
    task(context, group, begin, begin + size + (group < rest));
}

#if FL_HAS_THREADS
#define FL_MAX_HELPERS 255
#define FL_SPIN 2000 /* pauses, about 30 microseconds: as long as the next call of a loop may take to come */

typedef struct job {
    fl_group_task task;
    void *context;
    ptrdiff_t items, groups;
    int helpers_wanted;
} job;

/* One call at a time has the pool; a second one, from another thread, works alone. */
static struct {
    pthread_mutex_t lock; /* guards what is not atomic */
    pthread_cond_t wake, done;
    job job;
    int open;                /* helpers may still join */
    int joined, helpers;     /* of this job: how many have, how many are at work */
    int threads, sleepers;   /* of the pool */
    int processors;          /* that this process may use; 0: not asked yet */
    atomic_ulong number;     /* of the job */
    atomic_llong next;       /* group */
    atomic_int at_work;      /* = helpers, to be read without the lock */
    atomic_flag taken;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER,
          .wake = PTHREAD_COND_INITIALIZER,
          .done = PTHREAD_COND_INITIALIZER,
          .taken = ATOMIC_FLAG_INIT};

static void pause_a_little(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void run_groups_of(const job *j) {
    for (;;) {
        const long long g = atomic_fetch_add_explicit(&pool.next, 1, memory_order_relaxed);
        if (g >= j->groups) return;
        run_group(j->task, j->context, j->items, j->groups, (ptrdiff_t)g);
    }
}

/* A pool thread: spins a little for the next job, sleeps, joins if it still may, works, and says when it is done. */
static void *helper(void *nothing) {
    unsigned long seen = 0;
    (void)nothing;
    for (;;) {
        for (int i = 0; i < FL_SPIN && atomic_load(&pool.number) == seen; i++) pause_a_little();
        pthread_mutex_lock(&pool.lock);
        while (atomic_load(&pool.number) == seen) {
            pool.sleepers++;
            pthread_cond_wait(&pool.wake, &pool.lock);
            pool.sleepers--;
        }
        seen = atomic_load(&pool.number);
        if (!pool.open || pool.joined >= pool.job.helpers_wanted) {
            pthread_mutex_unlock(&pool.lock);
            continue;
        }
        const job j = pool.job;
        pool.joined++;
        pool.helpers++;
        atomic_fetch_add(&pool.at_work, 1);
        pthread_mutex_unlock(&pool.lock);

        run_groups_of(&j);

        pthread_mutex_lock(&pool.lock);
        atomic_fetch_sub(&pool.at_work, 1);
        if (--pool.helpers == 0) pthread_cond_signal(&pool.done);
        pthread_mutex_unlock(&pool.lock);
    }
    return NULL;
}

/* After a fork only the calling thread exists: the child begins with an empty pool. */
static void in_child(void) {
    pthread_mutex_init(&pool.lock, NULL);
    pthread_cond_init(&pool.wake, NULL);
    pthread_cond_init(&pool.done, NULL);
    pool.open = pool.joined = pool.helpers = pool.threads = pool.sleepers = pool.processors = 0;
    atomic_store(&pool.at_work, 0);
    atomic_flag_clear(&pool.taken);
}
static int forks_watched; /* else a child would count on threads that it does not have: no helpers at all then */
__attribute__((constructor)) static void watch_forks(void) {
    forks_watched = pthread_atfork(NULL, NULL, in_child) == 0;
}

static int processors(void) {
#if defined(__linux__)
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
#endif
    return (int)sysconf(_SC_NPROCESSORS_ONLN);
}

/* Threads for so many helpers, as far as the processors go; how many there are. Called with the lock. */
static int grow_pool(int wanted) {
    if (!pool.processors) pool.processors = forks_watched ? processors() : 1;
    if (wanted > pool.processors - 1) wanted = pool.processors - 1;
    if (wanted > FL_MAX_HELPERS) wanted = FL_MAX_HELPERS;
    if (pool.threads < wanted) {
        sigset_t all, before; /* signals are for the program's own threads */
        pthread_t thread;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        while (pool.threads < wanted && pthread_create(&thread, NULL, helper, NULL) == 0) {
            pthread_detach(thread);
            pool.threads++;
        }
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    return wanted < pool.threads ? wanted : pool.threads;
}

/* 0 if the work is still to be done: no helpers, or another call has them. */
static int run_with_helpers(fl_group_task task, void *context, ptrdiff_t items, ptrdiff_t groups, int threads) {
    if (atomic_flag_test_and_set(&pool.taken)) return 0;
    pthread_mutex_lock(&pool.lock);
    const int helpers = grow_pool(threads - 1 < groups - 1 ? threads - 1 : (int)(groups - 1));
    if (helpers < 1) {
        pthread_mutex_unlock(&pool.lock);
        atomic_flag_clear(&pool.taken);
        return 0;
    }
    const job j = pool.job = (job){task, context, items, groups, helpers};
    pool.open = 1;
    pool.joined = 0;
    atomic_store(&pool.next, 0);
    atomic_fetch_add(&pool.number, 1);
    if (pool.sleepers) pthread_cond_broadcast(&pool.wake);
    pthread_mutex_unlock(&pool.lock);

    run_groups_of(&j);

    pthread_mutex_lock(&pool.lock);
    pool.open = 0; /* who has not begun by now need not */
    pthread_mutex_unlock(&pool.lock);
    for (int i = 0; i < FL_SPIN && atomic_load(&pool.at_work); i++) pause_a_little();
    pthread_mutex_lock(&pool.lock);
    while (pool.helpers) pthread_cond_wait(&pool.done, &pool.lock);
    pthread_mutex_unlock(&pool.lock);
    atomic_flag_clear(&pool.taken);
    return 1;
}
#endif

void fl_run_groups(fl_group_task task, void *context, ptrdiff_t items, double work) {
    const ptrdiff_t groups = items < FL_GROUPS ? items : FL_GROUPS;
#if FL_HAS_THREADS
    const int threads = fl_get_num_threads();
    if (threads > 1 && groups > 1 && work >= FL_PARALLEL_WORK &&
        run_with_helpers(task, context, items, groups, threads))
        return;
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
