/* The calls without a struct: the same bits as the calls with one, which core.c compares with formulas.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "reference.h"
#include "rooms.h"

#define ENTRIES_AT_MOST 64
#define UNTOUCHED 12345.0

/* Room for results, all of it UNTOUCHED; as doubles, which are enough for floats as well. */
static void *results(double *memory) {
    for (int i = 0; i < ENTRIES_AT_MOST; i++) memory[i] = UNTOUCHED;
    return memory;
}

static void same(const void *got, const table *expected, const char *what) {
    const size_t bytes = (size_t)expected->columns * (expected->type == FLOAT ? 4 : 8);
    for (ptrdiff_t i = 0; i < expected->rows; i++)
        CHECK(!memcmp((const char *)got + (size_t)i * bytes, expected->base + (size_t)i * bytes, bytes),
              "%s: other bits", what);
    const size_t used = ((size_t)expected->rows * bytes + 7) / 8;
    for (size_t i = used; i < ENTRIES_AT_MOST; i++)
        CHECK(((const double *)got)[i] == UNTOUCHED, "%s: written past the end", what);
}

static void test_plain_loss(int k, int type) {
    const kind kind = losses[k].kind;
    const loss_case from = {.loss = k, .type = type, .n = 5, .c = kind == PAIRS ? 2 : 7, .want = 1,
                            .label_bits = kind == LABELS ? 32 << type : 0, .reduction = type ? FL_MEAN : FL_SUM,
                            .pred = loss_references[k].pred, .target = loss_references[k].target};
    const fl_loss_function loss = losses[k].function[type];
    const double *param = loss_references[k].param[0];
    double memory[ENTRIES_AT_MOST], value = UNTOUCHED;
    source s = {.state = 21};
    loss_run run;
    in_case("plain %s f%d", losses[k].name, type ? 64 : 32);
    loss_case given = from;
    memcpy(given.param, param, sizeof given.param);
    prepare_loss(&run, &given, &s);
    CHECK(call_loss(&run) == FL_OK, "refused");
#define PLAIN(param, grad, value)                                                                        \
    fl_plain_loss(loss, from.n, from.c, run.pred.base, run.target.base, from.label_bits, param, given.reduction, \
                  grad, value)
    CHECK(PLAIN(param, results(memory), &value) == FL_OK && value == run.call.value, "value is %g", value);
    same(memory, &run.grad, "grad");
    CHECK(PLAIN(param, NULL, NULL) == FL_OK, "refused without results");
    memset(given.param, 0, sizeof given.param);
    call_loss(&run);
    CHECK(PLAIN(NULL, NULL, &value) == FL_OK && !memcmp(&value, &run.call.value, sizeof value), "without parameters");
    free_loss(&run);
    if (kind != LABELS) return;
    given.bad_label = 1;
    prepare_loss(&run, &given, &s);
    value = UNTOUCHED;
    CHECK(PLAIN(param, results(memory), &value) == FL_BAD_LABEL, "a bad label is taken");
    CHECK(value == UNTOUCHED && memory[0] == UNTOUCHED, "written after a bad label");
    free_loss(&run);
#undef PLAIN
}

static void test_plain_update(int k, int type, int decay) {
    update_case from = {.update = k, .count = 1, .n = {19}, .type = {type},
                        .call = {.lr = 0.125, .weight_decay = decay ? 0.25 : 0}};
    const int states = updates[k].states;
    const size_t size = type ? 8 : 4, bytes = 19 * size;
    char state[FL_MAX_STATES * 19 * 8] = {0};
    double memory[ENTRIES_AT_MOST], progress[2] = {0, 1};
    source s = {.state = 22};
    update_run run;
    in_case("plain %s f%d", updates[k].name, type ? 64 : 32);
    memcpy(from.call.param, update_references[k].param[0], sizeof from.call.param);
    prepare_update(&run, &from, &s);
    memcpy(results(memory), run.param[0].first + (run.param[0].base - run.param[0].memory), bytes);
    const double *option = k ? from.call.param : NULL; /* sgd has none */
    call_update(&run, 3);
    for (int t = 1; t <= 3; t++) {
        CHECK(fl_plain_update(updates[k].function, type, 19, memory, run.grad[0].base, states ? state : NULL, 0.125,
                              from.call.weight_decay, option, progress) == FL_OK,
              "refused");
        CHECK(progress[0] == t, "%g steps", progress[0]);
    }
    CHECK(progress[1] == run.tensor[0].product, "product is %g", progress[1]);
    same(memory, &run.param[0], "param");
    for (int j = 0; j < states; j++)
        CHECK(!memcmp(state + (size_t)j * bytes, run.state[0][j].base, bytes), "state %d: other bits", j);
    for (size_t i = (size_t)states * bytes; i < sizeof state; i++) CHECK(!state[i], "written past the states");
    free_update(&run);
}

static void test_plain_regularizer(int k, int type) {
    const char *name = regularizers[k].name;
    const int forward = !strcmp(name, "dropout"), backward = !strcmp(name, "dropout_grad");
    const regularizer_case from = {.regularizer = k, .type = type, .n = 1, .c = 37, .k = 1, .seed = 0xfedcba9876543210u,
                                   .param = {0.25, 0.5}};
    double memory[ENTRIES_AT_MOST];
    uint8_t mask[38];
    source s = {.state = 23};
    regularizer_run run;
    in_case("plain %s f%d", name, type ? 64 : 32);
    prepare_regularizer(&run, &from, &s);
    call_regularizer(&run);
    memset(mask, 2, sizeof mask);
    if (backward) memcpy(mask, run.mask.base, 37);
    const void *x = backward ? run.dy.base : run.x.base;
    const double value = fl_plain_regularizer(regularizers[k].function[type], 37, x, results(memory),
                                              forward || backward ? mask : NULL, from.seed, from.param);
    CHECK(value == run.call.value, "value is %g instead of %g", value, run.call.value);
    same(memory, &run.y, "y");
    CHECK(!(forward || backward) || !memcmp(mask, run.mask.base, 37), "mask: other bits");
    CHECK(mask[37] == 2, "written past the mask");
    free_regularizer(&run);
}

void test_plain_calls(void) {
    for (int type = 0; type < 2; type++) {
        for (int k = 0; k < LOSSES; k++) test_plain_loss(k, type);
        for (int k = 0; k < 2 * UPDATES; k++) test_plain_update(k / 2, type, k % 2);
        for (int k = 0; k < REGULARIZERS; k++)
            if (regularizers[k].kind == ENTRIES) test_plain_regularizer(k, type);
    }
}
