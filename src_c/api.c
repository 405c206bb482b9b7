/* The public functions as one table for those who meet the library at run time, and as a list of names.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "dispatch.h"

const fl_api fl_api_table = {
    FASTLOSS_VERSION, sizeof(fl_api),
#define FL_LOSS(name, kind, cost) fl_##name##_f32, fl_##name##_f64,
#define FL_UPDATE(name, states) fl_##name,
#define FL_REGULARIZER(name, kind, cost) fl_##name##_f32, fl_##name##_f64,
#define FL_FUNCTION(name, cost) fl_##name##_f32, fl_##name##_f64,
#define FL_OTHER(result, name, arguments) fl_##name,
#include "fastloss_kernels.def"
};

#define FL_NAMED(name) {#name, (void (*)(void))fl_##name},
const fl_public_function fl_public_functions[] = {
    FL_NAMED(version)
#define FL_LOSS(name, kind, cost) FL_NAMED(name##_f32) FL_NAMED(name##_f64)
#define FL_UPDATE(name, states) FL_NAMED(name)
#define FL_REGULARIZER(name, kind, cost) FL_NAMED(name##_f32) FL_NAMED(name##_f64)
#define FL_FUNCTION(name, cost) FL_NAMED(name##_f32) FL_NAMED(name##_f64)
#define FL_OTHER(result, name, arguments) FL_NAMED(name)
#include "fastloss_kernels.def"
    {NULL, NULL}};
