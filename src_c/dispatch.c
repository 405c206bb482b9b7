/* Picks one kernel table per float type, once, and forwards the public functions to it. What a call does around its
 * kernel is in loss_call.c, update_call.c and regularizer_call.c.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "dispatch.h"

#include <stdlib.h>
#include <string.h>

#include "cpu.h"
#include "function_call.h"
#include "loss_call.h"
#include "regularizer_call.h"
#include "shared.h"
#include "update_call.h"

/* The build defines FL_HAVE_name for every kernel set it compiled. */
#define FL_DECLARE(target) extern const fl_table fl_table_f32_##target, fl_table_f64_##target;
#define FL_ENTRY(target, supported) {#target, {&fl_table_f32_##target, &fl_table_f64_##target}, supported},

typedef struct target {
    const char *name;
    const fl_table *table[2];
    int (*supported)(void);
} target;

static int always(void) { return 1; }

#ifdef FL_HAVE_AVX512
FL_DECLARE(avx512)
#endif
#ifdef FL_HAVE_AVX2
FL_DECLARE(avx2)
#endif
#ifdef FL_HAVE_NEON
FL_DECLARE(neon)
#endif
FL_DECLARE(scalar)

static const target targets[] = {
#ifdef FL_HAVE_AVX512
    FL_ENTRY(avx512, fl_cpu_has_avx512)
#endif
#ifdef FL_HAVE_AVX2
    FL_ENTRY(avx2, fl_cpu_has_avx2)
#endif
#ifdef FL_HAVE_NEON
    FL_ENTRY(neon, always)
#endif
    FL_ENTRY(scalar, always)};
static const int target_count = (int)(sizeof targets / sizeof targets[0]);

/* A thread sees the old or the new set; both are constant, so no more order is needed. */
static FL_SHARED(const target *) active;

const char *fl_target_name(int wanted) {
    for (int i = 0; i < target_count; i++)
        if (targets[i].supported() && wanted-- == 0) return targets[i].name;
    return NULL;
}

int fl_use_target(const char *name) {
    for (int i = 0; i < target_count; i++)
        if (strcmp(targets[i].name, name) == 0 && targets[i].supported()) {
            FL_STORE(active, &targets[i]);
            return 1;
        }
    return 0;
}

/* First use: FASTLOSS_TARGET if it names a set that runs here, else the best. */
static const target *active_target(void) {
    if (!FL_LOAD(active)) {
        const char *wanted = getenv("FASTLOSS_TARGET");
        if (!wanted || !fl_use_target(wanted)) fl_use_target(fl_target_name(0));
    }
    return FL_LOAD(active);
}

const char *fl_compiler(void) {
#if defined(__clang__)
    return "clang " __clang_version__;
#elif defined(__GNUC__)
    return "gcc " __VERSION__;
#elif defined(_MSC_VER)
    return "MSVC";
#else
    return "unknown";
#endif
}

const fl_table *fl_tables(int type) { return active_target()->table[type]; }
const char *fl_target(void) { return active_target()->name; }

#define FL_LOSS(name, kind, cost)                                                                             \
    fl_status fl_##name##_f32(fl_loss_call *call) { return fl_run_loss(&fl_losses[FL_LOSS_##name], 0, call); } \
    fl_status fl_##name##_f64(fl_loss_call *call) { return fl_run_loss(&fl_losses[FL_LOSS_##name], 1, call); }
#include "fastloss_kernels.def"

const fl_loss_info fl_losses[FL_LOSS_COUNT] = {
#define FL_LOSS(name, kind, cost) {#name, FL_KIND_##kind, cost, {fl_##name##_f32, fl_##name##_f64}},
#include "fastloss_kernels.def"
};

#define FL_UPDATE(name, states) \
    fl_status fl_##name(fl_update_call *call) { return fl_run_update(FL_UPDATE_##name, call); }
#include "fastloss_kernels.def"

const fl_update_info fl_updates[FL_UPDATE_COUNT] = {
#define FL_UPDATE(name, states) {#name, states, fl_##name},
#include "fastloss_kernels.def"
};

/* regularizers */
#define FL_REGULARIZER(name, kind, cost)                                         \
    void fl_##name##_f32(fl_regularizer_call *call) {                            \
        fl_run_regularizer(&fl_regularizers[FL_REGULARIZER_##name], 0, call);    \
    }                                                                            \
    void fl_##name##_f64(fl_regularizer_call *call) {                            \
        fl_run_regularizer(&fl_regularizers[FL_REGULARIZER_##name], 1, call);    \
    }
#include "fastloss_kernels.def"

const fl_regularizer_info fl_regularizers[FL_REGULARIZER_COUNT] = {
#define FL_REGULARIZER(name, kind, cost) {#name, FL_KIND_##kind, cost, {fl_##name##_f32, fl_##name##_f64}},
#include "fastloss_kernels.def"
};

#define FL_FUNCTION(name, cost)                                           \
    void fl_##name##_f32(const float *x, float *y, ptrdiff_t n) {         \
        fl_run_function(FL_FUNCTION_##name, cost, 0, x, y, n);            \
    }                                                                     \
    void fl_##name##_f64(const double *x, double *y, ptrdiff_t n) {       \
        fl_run_function(FL_FUNCTION_##name, cost, 1, x, y, n);            \
    }
#include "fastloss_kernels.def"

void fl_random_words(uint64_t seed, const uint32_t counter[4], ptrdiff_t blocks, uint32_t *word) {
    fl_tables(0)->random_words(seed, counter, blocks, word);
}

int fl_version(void) { return FASTLOSS_VERSION; }
int fl_compatible(int version) { return FASTLOSS_COMPATIBLE(FASTLOSS_VERSION, version); }
