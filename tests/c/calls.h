/* Calls of the C core from plain numbers: arrays of their own in guarded memory, the call, and what must hold after
 * every call whatever its result. Expected values are in reference.c, the choice of cases in core.c and fuzz.c.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef CALLS_H
#define CALLS_H

#include "fastloss.h"

typedef enum kind { POINTWISE, ROOT, PAIRS, LABELS, PROBABILITIES, ENTRIES, FEATURES } kind;

enum {
    LOSSES = 0
#define FL_LOSS(name, kind, cost) +1
#include "fastloss_kernels.def"
};
enum {
    UPDATES = 0
#define FL_UPDATE(name, states) +1
#include "fastloss_kernels.def"
};
enum {
    REGULARIZERS = 0
#define FL_REGULARIZER(name, kind, cost) +1
#include "fastloss_kernels.def"
};

typedef struct loss_entry {
    const char *name;
    kind kind;
    fl_loss_function function[2];
} loss_entry;
typedef struct update_entry {
    const char *name;
    int states;
    fl_update_function function;
} update_entry;
typedef struct regularizer_entry {
    const char *name;
    kind kind;
    fl_regularizer_function function[2];
} regularizer_entry;

extern const loss_entry losses[LOSSES];
extern const update_entry updates[UPDATES];
extern const regularizer_entry regularizers[REGULARIZERS];

/* Prints what failed and in which case, and aborts. */
#define CHECK(truth, ...) \
    do \
        if (!(truth)) fail(__FILE__, __LINE__, __VA_ARGS__); \
    while (0)
void fail(const char *file, int line, const char *format, ...);
void in_case(const char *format, ...); /* what fail prints first */

/* A result of a float type: its error is at most `ulps` units of epsilon times `size`. */
void near(double got, double expected, double ulps, double size, int type, const char *what);

/* Where values come from: bytes, and when they are used up pseudorandom numbers. Numbers are multiples of 1/16 in
 * [-8, 8), of which differences and sums are exact in every float type; out of bytes also anything else. */
typedef struct source {
    const uint8_t *byte;
    size_t left;
    uint64_t state;
} source;
uint64_t take(source *s, uint64_t below);
double take_number(source *s);

/* A table of entries in memory of its own, with guards. */
typedef enum entry_type { FLOAT, DOUBLE, INT32, INT64, BYTE } entry_type;
typedef struct table {
    entry_type type;
    ptrdiff_t rows, columns, stride; /* in entries; stride may be negative */
    char *memory, *before, *first;   /* first: as it was filled; before: what must still stand there */
    size_t bytes;
    char *base; /* entry (0, 0); NULL where there is no table */
} table;
double get(const table *t, ptrdiff_t i, ptrdiff_t j);
void set(table *t, ptrdiff_t i, ptrdiff_t j, double x);

/* `shift` entries off the alignment of malloc; rows `gap` entries longer than needed, the last one first if backwards.
 * Everything in it is the pattern 0xA5. */
table new_table(entry_type type, ptrdiff_t rows, ptrdiff_t columns, int gap, int shift, int backwards);
void seal(table *t);    /* what stands there now is `first` */
void restore(table *t); /* that again, before another call */
void check_table(const table *t, int written, const char *name); /* all is as it was, but for entries, if written */
void free_table(table *t);

typedef enum domain { ANY, POSITIVE, COUNTS, UNIT, BINARY, SHARES } domain;
void fill(table *t, source *s, domain d);

/* Of numbers, not of bytes, so that byte orders agree; every NaN counts the same. */
void hash_number(uint64_t *hash, double x);
void hash_table(uint64_t *hash, const table *t);

typedef struct loss_case {
    int loss, type;
    ptrdiff_t n, c;
    domain pred, target;
    int weighted; /* 1: per row, 2: per entry */
    int per_column, ignore, label_bits, reduction;
    int want;                            /* 1: gradient, 2: and second derivative */
    int keep;                            /* losses kept, with FL_NONE */
    int in_place, backwards, gap, shift; /* shift: entries off the alignment of malloc */
    int bad_label, bad_weight;           /* put one in */
    double param[4];
} loss_case;

typedef struct loss_run {
    const loss_case *from;
    fl_loss_call call;
    table pred, target, weight, column, loss, grad, hess;
    uint64_t hash; /* of all that was written */
} loss_run;
void prepare_loss(loss_run *run, const loss_case *from, source *s);
fl_status call_loss(loss_run *run); /* from the prepared values, however often; checks what must hold */
void free_loss(loss_run *run);

#define TENSORS 4
typedef struct update_case {
    int update;
    ptrdiff_t count, n[TENSORS];
    int type[TENSORS], step[TENSORS], shift, bad_gradient;
    fl_update_call call; /* numbers only */
} update_case;
typedef struct update_run {
    const update_case *from;
    fl_update_call call;
    fl_tensor tensor[TENSORS];
    table param[TENSORS], grad[TENSORS], state[TENSORS][FL_MAX_STATES];
    uint64_t hash;
} update_run;
void prepare_update(update_run *run, const update_case *from, source *s);
void call_update(update_run *run, int steps);
void free_update(update_run *run);

typedef struct regularizer_case {
    int regularizer, type;
    ptrdiff_t n, c, k;
    int transposed; /* features along rows: step is the larger stride */
    int add, no_y, in_place, backwards, gap, shift;
    uint64_t seed;
    double param[4];
} regularizer_case;
typedef struct regularizer_run {
    const regularizer_case *from;
    fl_regularizer_call call;
    table x, dy, y, mask, gamma, beta, mean, variance, dgamma, dbeta;
    uint64_t hash;
} regularizer_run;
void prepare_regularizer(regularizer_run *run, const regularizer_case *from, source *s);
void call_regularizer(regularizer_run *run);
void free_regularizer(regularizer_run *run);
/* Where entry (i, j, l) of a call over features stands in its table: row and column. */
ptrdiff_t feature_row(const regularizer_case *from, ptrdiff_t i, ptrdiff_t j);
ptrdiff_t feature_column(const regularizer_case *from, ptrdiff_t i, ptrdiff_t j, ptrdiff_t l);

#endif
