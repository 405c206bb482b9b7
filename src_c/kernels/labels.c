/* The checks that come before a loss writes anything: labels in range, weights finite and not negative; and the sum
 * of the weights, which the mean divides by. No losses here.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "rows.h"

fl_status FN(scan_labels)(fl_loss_call *call);
fl_status FN(scan_weights)(fl_loss_call *call);

/* The plain case, no weights and nothing ignored: any label out of range? One unsigned comparison per label. */
FL_INLINE int any_bad_32(const fl_loss_call *call) {
    const int32_t *label = (const int32_t *)call->target;
    const uint32_t c = call->c > INT32_MAX ? (uint32_t)INT32_MAX + 1 : (uint32_t)call->c;
    uint32_t bad = 0;
    if (call->target_stride == 1)
        for (ptrdiff_t i = 0; i < call->n; i++) bad |= (uint32_t)label[i] >= c;
    else
        for (ptrdiff_t i = 0; i < call->n; i++) bad |= (uint32_t)label[i * call->target_stride] >= c;
    return (int)bad;
}
FL_INLINE int any_bad_64(const fl_loss_call *call) {
    const int64_t *label = (const int64_t *)call->target;
    const uint64_t c = (uint64_t)call->c;
    uint64_t bad = 0;
    if (call->target_stride == 1)
        for (ptrdiff_t i = 0; i < call->n; i++) bad |= (uint64_t)label[i] >= c;
    else
        for (ptrdiff_t i = 0; i < call->n; i++) bad |= (uint64_t)label[i * call->target_stride] >= c;
    return (int)bad;
}

FL_INLINE int bad_weight(real w) { return !(w >= 0 && w < FL_INFINITY); }

fl_status FN(scan_labels)(fl_loss_call *call) {
    const real *weight = (const real *)call->weight, *class_weight = (const real *)call->per_column;
    if (!weight && !class_weight && !call->has_ignore) {
        call->weight_total = (double)call->n;
        if (call->label_bits == 32 ? !any_bad_32(call) : !any_bad_64(call)) return FL_OK;
    }
    double total = 0;
    for (ptrdiff_t i = 0; i < call->n; i++) {
        const int64_t label = label_at(call, i);
        const real w = weight ? weight[i * call->weight_stride] : 1;
        call->bad = i;
        if (bad_weight(w)) return FL_BAD_WEIGHT;
        if (call->has_ignore && label == call->ignore_label) continue;
        if (label < 0 || label >= call->c) return FL_BAD_LABEL;
        total += class_weight ? (double)(w * class_weight[label]) : (double)w;
    }
    call->weight_total = total;
    return total < INFINITY ? FL_OK : FL_WEIGHT_OVERFLOW;
}

/* The sum of n weights; *negative becomes 1 if one is. */
FL_INLINE double sum_weights(const real *w, ptrdiff_t n, int *negative) {
    const ptrdiff_t whole = n - n % V_GROUP;
    vacc sums[V_UNROLL];
    vmask below[V_UNROLL];
    EACH(u, V_UNROLL) {
        sums[u] = v_acc_zero();
        below[u] = v_first(0);
    }
    for (ptrdiff_t k = 0; k < whole; k += V_GROUP)
        EACH(u, V_UNROLL) {
            const vreal x = v_load(w + k + u * V_LANES);
            sums[u] = v_acc_add(sums[u], x);
            below[u] = v_or(below[u], v_lt(x, v_set(0)));
        }
    EACH(u, V_UNROLL) {
        const ptrdiff_t at = whole + u * V_LANES;
        if (at < n) {
            const vreal x = load_part(w + at, n - at);
            sums[u] = v_acc_add(sums[u], x);
            below[u] = v_or(below[u], v_lt(x, v_set(0)));
        }
        *negative |= v_any(below[u]);
    }
    return v_acc_total(sums);
}

/* Weights only. For the elementwise losses a weight counts once for each entry it weighs. */
fl_status FN(scan_weights)(fl_loss_call *call) {
    const real *weight = (const real *)call->weight;
    const int one_row = !call->weight_step && call->weight_stride == 1;
    const ptrdiff_t rows = one_row ? 1 : call->n, columns = one_row ? call->n : call->weight_step ? call->c : 1;
    double total = 0;
    int negative = 0;
    for (ptrdiff_t i = 0; i < rows; i++) total += sum_weights(weight + i * call->weight_stride, columns, &negative);
    call->weight_total = total;
    if (!negative && total < INFINITY) return FL_OK;
    for (ptrdiff_t i = 0; i < rows; i++)
        for (ptrdiff_t k = 0; k < columns; k++) {
            if (!bad_weight(weight[i * call->weight_stride + k])) continue;
            call->bad = i * columns + k;
            return FL_BAD_WEIGHT;
        }
    return FL_WEIGHT_OVERFLOW;
}
