/* Fuzzing the C core, coverage-guided (libFuzzer): bytes become a call of any shape, layout, options, parameters and
 * values, NaN and bad labels included, over arrays in blocks of exactly their size. calls.c checks each call; here the
 * choice, and that a second thread changes no bit.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>

#include "calls.h"
#include "dispatch.h"

int LLVMFuzzerTestOneInput(const uint8_t *byte, size_t size);

static void take_params(source *s, double *param, int count) {
    for (int i = 0; i < count; i++) param[i] = take_number(s);
}

/* Mostly a few, now and then enough for several parts. */
static ptrdiff_t take_size(source *s) {
    const ptrdiff_t n = (ptrdiff_t)take(s, 48);
    return n < 40 ? n : n * (1 + (ptrdiff_t)take(s, 8));
}

static void fuzz_loss(source *s, int threads) {
    loss_case from = {.loss = (int)take(s, LOSSES), .type = (int)take(s, 2)};
    const kind k = losses[from.loss].kind;
    loss_run run;
    from.n = take_size(s);
    from.c = k == PAIRS ? 2 : take_size(s);
    if (from.n * from.c > 3000) from.n = 3;
    from.weighted = (int)take(s, k <= ROOT ? 3 : 2);
    from.per_column = k != PAIRS && k != ROOT && take(s, 3) == 0;
    from.ignore = (int)take(s, 2);
    from.label_bits = take(s, 2) ? 32 : 64;
    from.reduction = k == ROOT ? FL_MEAN : (int)take(s, 3);
    from.want = (int)take(s, k == ROOT ? 2 : 3);
    from.keep = (int)take(s, 2);
    from.in_place = (int)take(s, 2);
    from.backwards = (int)take(s, 2);
    from.gap = (int)take(s, 4);
    from.shift = (int)take(s, 4);
    from.bad_label = k == LABELS && take(s, 8) == 0;
    from.bad_weight = take(s, 8) == 0;
    take_params(s, from.param, 4);
    if (k == LABELS && from.c == 0 && from.n && !from.ignore) from.c = 1;
    in_case("%s", losses[from.loss].name);
    prepare_loss(&run, &from, s);
    fl_set_num_threads(1);
    const fl_status status = call_loss(&run);
    const uint64_t hash = run.hash;
    fl_set_num_threads(threads);
    CHECK(threads == 1 || (call_loss(&run) == status && run.hash == hash), "other bits with another thread");
    free_loss(&run);
}

static void fuzz_update(source *s, int threads) {
    update_case from = {.update = (int)take(s, UPDATES), .count = (ptrdiff_t)take(s, TENSORS + 1)};
    update_run run;
    for (ptrdiff_t k = 0; k < from.count; k++) {
        from.n[k] = take_size(s);
        from.type[k] = (int)take(s, 2);
        from.step[k] = (int)take(s, 3) * 100;
    }
    from.shift = (int)take(s, 4);
    from.bad_gradient = take(s, 8) == 0;
    from.call.lr = take_number(s);
    from.call.weight_decay = take(s, 2) ? take_number(s) : 0;
    from.call.maximize = (int)take(s, 2);
    from.call.clip_value = take(s, 2) ? take_number(s) : 0;
    from.call.clip_norm = take(s, 2) ? take_number(s) : 0;
    from.call.check_finite = (int)take(s, 2);
    take_params(s, from.call.param, 5);
    in_case("%s", updates[from.update].name);
    prepare_update(&run, &from, s);
    fl_set_num_threads(1);
    call_update(&run, 2);
    const uint64_t hash = run.hash;
    fl_set_num_threads(threads);
    if (threads > 1) call_update(&run, 2);
    CHECK(run.hash == hash, "other bits with another thread");
    free_update(&run);
}

static void fuzz_regularizer(source *s, int threads) {
    regularizer_case from = {.regularizer = (int)take(s, REGULARIZERS), .type = (int)take(s, 2)};
    const char *name = regularizers[from.regularizer].name;
    regularizer_run run;
    from.n = take_size(s);
    from.c = take_size(s);
    from.k = 1 + (take(s, 2) ? (ptrdiff_t)take(s, 40) : 0) - (take(s, 16) == 0);
    if (from.n * from.c > 3000) from.n = 3;
    if (from.n * from.c * from.k > 3000) from.k = 1;
    from.transposed = (int)take(s, 2);
    from.in_place = from.regularizer == 1 || from.regularizer == 4; /* the prox, and max_norm */
    if (from.regularizer == 0) {
        from.no_y = (int)take(s, 2);
        from.add = !from.no_y && take(s, 2);
    }
    from.backwards = (int)take(s, 2);
    from.gap = (int)take(s, 4);
    from.shift = (int)take(s, 4);
    from.seed = take(s, 256);
    take_params(s, from.param, 4);
    in_case("%s", name);
    prepare_regularizer(&run, &from, s);
    fl_set_num_threads(1);
    call_regularizer(&run);
    const uint64_t hash = run.hash;
    fl_set_num_threads(threads);
    if (threads > 1) call_regularizer(&run);
    CHECK(run.hash == hash, "other bits with another thread");
    free_regularizer(&run);
}

static void fuzz_words(source *s) {
    const uint32_t counter[4] = {(uint32_t)take(s, 256) << 24, (uint32_t)take(s, 256), (uint32_t)take(s, 256), 0};
    const ptrdiff_t blocks = take_size(s);
    uint32_t *word = malloc((size_t)blocks * 4 * sizeof *word + !blocks);
    if (!word) abort();
    fl_random_words(take(s, 256), counter, blocks, word);
    free(word);
}

int LLVMFuzzerTestOneInput(const uint8_t *byte, size_t size) {
    source s = {byte, size, 7};
    int sets = 0;
    while (fl_target_name(sets)) sets++;
    fl_use_target(fl_target_name((int)take(&s, (uint64_t)sets)));
    const int threads = take(&s, 32) == 0 ? 2 : 1; /* waking one takes longer than most calls */
    switch (take(&s, 8)) {
    case 0: fuzz_words(&s); break;
    case 1:
    case 2: fuzz_regularizer(&s, threads); break;
    case 3:
    case 4: fuzz_update(&s, threads); break;
    default: fuzz_loss(&s, threads);
    }
    return 0;
}
