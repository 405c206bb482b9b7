/* A variable that any thread may read and write at any time, each access whole. What must happen together needs more.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef FL_SHARED_H
#define FL_SHARED_H

#if defined(__STDC_NO_ATOMICS__) || defined(_MSC_VER)
/* MSVC, as it ships: reads and writes of aligned words are whole there, and volatile ones ordered. */
#define FL_SHARED(type) type volatile
#define FL_LOAD(variable) (variable)
#define FL_STORE(variable, value) ((variable) = (value))
#else
#include <stdatomic.h>
#define FL_SHARED(type) _Atomic(type)
#define FL_LOAD(variable) atomic_load_explicit(&(variable), memory_order_relaxed)
#define FL_STORE(variable, value) atomic_store_explicit(&(variable), value, memory_order_relaxed)
#endif

#endif
