/* How a call's rows and columns are cut into the parts that threads share; fixed by the shape alone.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef FL_PARTS_H
#define FL_PARTS_H

#include "table.h"

#ifndef FL_PART_ENTRIES /* the fuzzer has them smaller, so that small arrays make several parts */
#define FL_PART_ENTRIES 16384 /* entries of a part: 64 to 128 KB a float array, so a part's arrays fit in L2 */
#endif

typedef struct fl_grid {
    ptrdiff_t rows_per_part, parts_per_row, columns_per_part;
} fl_grid;

/* Part `item` of a call of n rows and c columns; the last ones may be smaller. */
static inline fl_part fl_part_at(const fl_grid *grid, ptrdiff_t n, ptrdiff_t c, ptrdiff_t item) {
    const ptrdiff_t row = item / grid->parts_per_row * grid->rows_per_part;
    const ptrdiff_t column = item % grid->parts_per_row * grid->columns_per_part;
    const ptrdiff_t rows = n - row, columns = c - column;
    return (fl_part){row, row + (rows < grid->rows_per_part ? rows : grid->rows_per_part), column,
                     column + (columns < grid->columns_per_part ? columns : grid->columns_per_part)};
}

#endif
