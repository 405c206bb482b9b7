/* The C interface inside a Python process: for extension modules, which find the functions of the installed package at
 * run time and link nothing. Everything else is in fastloss.h.
 * SPDX-License-Identifier: BSD-3-Clause
 *
 *     static const fl_api *fl;
 *     if (!(fl = fl_import())) return NULL;    in the module's initialization
 *     fl->huber_f64(&call); */
#ifndef FASTLOSS_CAPI_H
#define FASTLOSS_CAPI_H

#include <Python.h>

#include "fastloss.h"

/* Imports fastloss. NULL with an ImportError set if there is none, or one that does not serve a module compiled with
 * this header. Needs the GIL; the functions of the table do not. */
static inline const fl_api *fl_import(void) {
    const fl_api *api = (const fl_api *)PyCapsule_Import("fastloss._core._C_API", 0);
    if (!api) return NULL;
    if (FASTLOSS_COMPATIBLE(api->version, FASTLOSS_VERSION) && api->size >= (ptrdiff_t)sizeof(fl_api)) return api;
    PyErr_Format(PyExc_ImportError,
                 "fastloss: this module was compiled for version %d.%d, but version %d.%d.%d is installed: compile it "
                 "again, or install the version it was compiled for",
                 FASTLOSS_VERSION_MAJOR, FASTLOSS_VERSION_MINOR, api->version / 10000, api->version / 100 % 100,
                 api->version % 100);
    return NULL;
}

#endif
