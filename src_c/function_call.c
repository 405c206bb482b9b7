/* Cuts the array of an elementary function into parts that threads can share. The functions themselves are in
 * kernels/elementary.c.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "function_call.h"

#include "parts.h"
#include "threads.h"

typedef struct run {
    fl_function_kernel kernel;
    const char *x;
    char *y;
    ptrdiff_t n;
    size_t size; /* bytes of an entry */
} run;

static void run_parts(void *context, ptrdiff_t group, ptrdiff_t begin, ptrdiff_t end) {
    const run *r = (const run *)context;
    const ptrdiff_t first = begin * FL_PART_ENTRIES, left = r->n - first;
    const ptrdiff_t wanted = (end - begin) * FL_PART_ENTRIES;
    const size_t at = (size_t)first * r->size;
    (void)group;
    r->kernel(r->x + at, r->y + at, wanted < left ? wanted : left);
}

void fl_run_function(int function, double cost, int type, const void *x, void *y, ptrdiff_t n) {
    if (n <= 0) return;
    run r = {fl_tables(type)->function[function], (const char *)x, (char *)y, n,
             type == 0 ? sizeof(float) : sizeof(double)};
    fl_run_groups(run_parts, &r, n / FL_PART_ENTRIES + (n % FL_PART_ENTRIES != 0), (double)n * cost);
}
