/* Expected results in double, by the plain formulas and obvious loops; none of src_c's code. Accurate for the arguments
 * of core.c (multiples of 1/16 below 8), not in general.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef REFERENCE_H
#define REFERENCE_H

#include "calls.h"

/* One entry's results, and the sum of the magnitudes that each is added up from: rounding errors are in units of it. */
typedef struct point {
    double loss, grad, hess, loss_size, grad_size, hess_size;
} point;

typedef struct loss_reference {
    domain pred, target;
    point (*point)(double z, double y, const double *param);
    /* A row: t holds its target weights (or shares) per class. The row's loss is in out[0]. */
    void (*row)(const double *z, const double *t, ptrdiff_t label, ptrdiff_t c, const double *param, point *out);
    int class_weight_inside; /* multiplies the target weights, not the row's weight */
    double param[3][4];      /* to be tried; the last ones may be all 0 and are then skipped */
} loss_reference;
extern const loss_reference loss_references[LOSSES];

/* One entry of one step t = 1, 2, ...; s: states. g is clipped, turned and decayed already. */
typedef struct update_reference {
    void (*step)(double *w, double g, double *s, double lr, double decay, double t, const double *param,
                 double *product);
    double param[2][5];
} update_reference;
extern const update_reference update_references[UPDATES];

/* Block `block` of 4 words of Philox4x32-10. */
void reference_words(uint64_t seed, uint64_t block, uint32_t third, uint32_t fourth, uint32_t word[4]);

#endif
