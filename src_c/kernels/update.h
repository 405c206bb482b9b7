/* The loop of the optimizers over one tensor's entries: loads, clipping, sign and weight decay in PyTorch's order,
 * stores, and the incomplete vector at the end. An optimizer brings its formula only.
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A formula maps the vectors of one place (parameter w, gradient g, states s) to their new values. It uses correctly
 * rounded operations only (+ - * / sqrt) and no v_fma, so every target gives the same bits. */
#ifndef FL_UPDATE_H
#define FL_UPDATE_H

#include "vec.h"
#include "table.h"

/* Before a loop whose arrays share no memory, as the compiler cannot know: plain C is then vectorized without a second
 * loop for the case that they do. */
#if defined(__GNUC__) && !defined(__clang__)
#define FL_NO_OVERLAP _Pragma("GCC ivdep")
#else
#define FL_NO_OVERLAP
#endif

/* One place of a tensor. */
typedef struct ventry {
    vreal w, g, s[FL_MAX_STATES];
} ventry;

/* fl_rates as vectors; what a formula does not use costs nothing. */
typedef struct vrates {
    vreal factor, limit, decay, shrink, rate, grad_rate, pull, keep, take, root, eps_inside, eps, momentum, fresh;
    vmask decays, from_end, option;
} vrates;

FL_INLINE vrates as_vectors(const fl_rates *r) {
    const vreal zero = v_set(0);
    return (vrates){
        .factor = v_set((real)r->factor),
        .limit = v_set((real)r->limit),
        .decay = v_set((real)r->decay),
        .shrink = v_set((real)r->shrink),
        .rate = v_set((real)r->rate),
        .grad_rate = v_set((real)r->grad_rate),
        .pull = v_set((real)r->pull),
        .keep = v_set((real)r->keep),
        .take = v_set((real)r->take),
        .root = v_set((real)r->root),
        .eps_inside = v_set((real)r->eps_inside),
        .eps = v_set((real)r->eps),
        .momentum = v_set((real)r->momentum),
        .fresh = v_set((real)r->fresh),
        .decays = v_gt(v_set((real)(r->decay != 0)), zero),
        .from_end = v_gt(v_set((real)r->from_end), zero),
        .option = v_gt(v_set((real)r->option), zero),
    };
}

/* -1, 0 or 1; NaN for NaN. */
FL_INLINE vreal v_direction(vreal x) {
    return v_select(v_gt(x, v_set(0)), v_set(1), v_select(v_lt(x, v_set(0)), v_set(-1), x));
}

/* The larger; NaN where either is NaN. */
FL_INLINE vreal v_larger(vreal a, vreal b) { return v_select(v_isnan(a), a, v_max(a, b)); }

typedef void (*update_formula)(ventry *e, const vrates *r);

/* Where the arrays of a tensor stand, at the first wanted entry. */
typedef struct update_place {
    real *param, *state[FL_MAX_STATES];
    const real *grad;
} update_place;

/* The last, incomplete vector: copied here and back, so that formulas are compiled for whole vectors only. */
typedef struct update_tail {
    real param[V_LANES], grad[V_LANES], state[FL_MAX_STATES][V_LANES];
} update_tail;

FL_OUTLINE update_place tail_fill(update_tail *tail, const update_place *home, ptrdiff_t count, int states) {
    const size_t size = (size_t)count * sizeof(real);
    update_place place = {.param = tail->param, .grad = tail->grad};
    memset(tail, 0, sizeof *tail);
    memcpy(tail->param, home->param, size);
    memcpy(tail->grad, home->grad, size);
    for (int k = 0; k < states; k++) {
        memcpy(tail->state[k], home->state[k], size);
        place.state[k] = tail->state[k];
    }
    return place;
}
FL_OUTLINE void tail_empty(const update_tail *tail, const update_place *home, ptrdiff_t count, int states) {
    const size_t size = (size_t)count * sizeof(real);
    memcpy(home->param, tail->param, size);
    for (int k = 0; k < states; k++) memcpy(home->state[k], tail->state[k], size);
}

/* `general`: the gradient is clipped, turned or decayed first. A factor of 1 and an infinite limit change nothing; the
 * limits stand first because NaN must pass; decay 0 is left out because 0 * infinity would not be 0. */
FL_INLINE void update_vector(update_formula formula, int states, int general, const update_place *p, ptrdiff_t at,
                             const vrates *r) {
    ventry e = {.w = v_load(p->param + at), .g = v_load(p->grad + at)};
    FL_UNROLL_ALL
    for (int k = 0; k < states; k++) e.s[k] = v_load(p->state[k] + at);
    if (general) {
        e.g = v_max(-r->limit, v_min(r->limit, e.g)) * r->factor;
        e.g = v_select(r->decays, e.g + r->decay * e.w, e.g);
    }
    formula(&e, r);
    v_store(p->param + at, e.w);
    FL_UNROLL_ALL
    for (int k = 0; k < states; k++) v_store(p->state[k] + at, e.s[k]);
}

FL_INLINE void update_entries(update_formula formula, int states, int general, const fl_tensor *tensor,
                              const fl_rates *rates, ptrdiff_t begin, ptrdiff_t end) {
    const vrates r = as_vectors(rates);
    const ptrdiff_t left = (end - begin) % V_LANES;
    ptrdiff_t whole = end - begin - left;
    update_place home = {.param = (real *)tensor->param + begin, .grad = (const real *)tensor->grad + begin};
    for (int k = 0; k < states; k++) home.state[k] = (real *)tensor->state[k] + begin;
    update_place at = home;
    update_tail tail;
    for (int pass = 0; pass < 2; pass++) { /* the whole vectors, then the same loop once more over the tail's copy */
        FL_NO_OVERLAP
        for (ptrdiff_t i = 0; i < whole; i += V_LANES) update_vector(formula, states, general, &at, i, &r);
        if (pass || !left) break;
        home.param += whole;
        home.grad += whole;
        for (int k = 0; k < states; k++) home.state[k] += whole;
        at = tail_fill(&tail, &home, left, states);
        whole = V_LANES;
    }
    if (left) tail_empty(&tail, &home, left, states);
}

/* Exports `name` with this formula and number of states. */
#define UPDATE(name, formula, states)                                                               \
    void FN(name)(const fl_tensor *tensor, const fl_rates *rates, ptrdiff_t begin, ptrdiff_t end) { \
        if (rates->plain)                                                                           \
            update_entries(formula, states, 0, tensor, rates, begin, end);                          \
        else                                                                                        \
            update_entries(formula, states, 1, tensor, rates, begin, end);                          \
    }

#endif
