/* The tests of what core.c leaves to others: linear models row by row (models.c), and calls without a struct (plain.c).
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ROOMS_H
#define ROOMS_H

#include <stdint.h>

/* Of floats or doubles, on dense rows (index_bits 0) or CSR rows. Returns a hash of all results; it is the same for
 * both widths of indices. */
uint64_t test_linear(int type, int index_bits, int quick);

void test_plain_calls(void);

#endif
