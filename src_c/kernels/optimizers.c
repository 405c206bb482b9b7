/* The optimizers: their formulas, nothing else. The loop is in update.h, the numbers r that are the same for all
 * entries (learning rate, bias corrections) are computed in src_c/update_rates.c.
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * w is the parameter, g the gradient after clipping, sign and decay; s[0], s[1], ... are what is kept between steps.
 * Moving averages are written as PyTorch's: m + (1 - b) (g - m), and b v + ((1 - b) g) g. */
#include "update.h"

/* m moved towards g. For a weight of 1/2 and more the sum starts from g, so that weight 1 gives g itself. */
FL_INLINE vreal towards(vreal m, vreal g, const vrates *r) { return v_select(r->from_end, g, m) + r->pull * (g - m); }

/* The moving average of the squares. */
FL_INLINE vreal mean_square(vreal v, vreal g, const vrates *r) { return r->keep * v + (r->take * g) * g; }

/* sqrt(v) + eps, or sqrt(v + eps): one of the two is 0, and adding 0 changes no bit. */
FL_INLINE vreal root_of(vreal v, const vrates *r) { return v_sqrt(v + r->eps_inside) + r->eps; }

/* w - lr g. */
FL_INLINE void sgd(ventry *e, const vrates *r) { e->w = e->w + r->rate * e->g; }
UPDATE(sgd, sgd, 0)

/* b = mu b + (1 - dampening) g, at the first step g; w - lr b, or with Nesterov's look-ahead w - lr (g + mu b).
 * Sutskever et al. 2013. */
FL_INLINE void sgd_momentum(ventry *e, const vrates *r) {
    const vreal b = r->momentum * e->s[0] + r->fresh * e->g;
    e->w = e->w + r->rate * v_select(r->option, e->g + r->momentum * b, b);
    e->s[0] = b;
}
UPDATE(sgd_momentum, sgd_momentum, 1)

/* G = G + g^2; w - lr_t g / (sqrt G + eps). Duchi et al. 2011. */
FL_INLINE void adagrad(ventry *e, const vrates *r) {
    e->s[0] = e->s[0] + e->g * e->g;
    e->w = e->w + (r->rate * e->g) / root_of(e->s[0], r);
}
UPDATE(adagrad, adagrad, 1)

/* v = mean of g^2; d = sqrt(u + eps) / sqrt(v + eps) g; u = mean of d^2; w - lr d. Zeiler 2012. */
FL_INLINE void adadelta(ventry *e, const vrates *r) {
    const vreal v = mean_square(e->s[0], e->g, r);
    const vreal d = v_sqrt(e->s[1] + r->eps_inside) / v_sqrt(v + r->eps_inside) * e->g;
    e->s[0] = v;
    e->s[1] = mean_square(e->s[1], d, r);
    e->w = e->w + r->rate * d;
}
UPDATE(adadelta, adadelta, 2)

/* v = mean of g^2, centered: minus the square of the mean of g, at least 0 (rounding may take it below, where g stays
 * the same); w - lr g / (sqrt v + eps), or through a momentum buffer. Tieleman & Hinton 2012; Graves 2013. */
FL_INLINE void rmsprop_step(ventry *e, const vrates *r, int centered, int momentum) {
    vreal spread = e->s[0] = mean_square(e->s[0], e->g, r);
    if (centered) {
        const vreal mean = towards(e->s[1], e->g, r);
        e->s[1] = mean;
        spread = v_max(v_set(0), spread - mean * mean);
    }
    const vreal size = root_of(spread, r);
    if (momentum) {
        const vreal b = r->momentum * e->s[1 + centered] + e->g / size;
        e->s[1 + centered] = b;
        e->w = e->w + r->rate * b;
    } else {
        e->w = e->w + (r->rate * e->g) / size;
    }
}
FL_INLINE void rmsprop(ventry *e, const vrates *r) { rmsprop_step(e, r, 0, 0); }
FL_INLINE void rmsprop_momentum(ventry *e, const vrates *r) { rmsprop_step(e, r, 0, 1); }
FL_INLINE void rmsprop_centered(ventry *e, const vrates *r) { rmsprop_step(e, r, 1, 0); }
FL_INLINE void rmsprop_centered_momentum(ventry *e, const vrates *r) { rmsprop_step(e, r, 1, 1); }
UPDATE(rmsprop, rmsprop, 1)
UPDATE(rmsprop_momentum, rmsprop_momentum, 2)
UPDATE(rmsprop_centered, rmsprop_centered, 2)
UPDATE(rmsprop_centered_momentum, rmsprop_centered_momentum, 3)

/* m = mean of g, v = mean of g^2; w - lr m' / (sqrt v' + eps) with m' = m / (1 - b1^t), v' = v / (1 - b2^t); amsgrad:
 * v' from the largest v so far. `rate` holds m's correction, `root` is 1 / sqrt(1 - b2^t), `shrink` AdamW's decay.
 * Kingma & Ba 2015; Reddi et al. 2018; Loshchilov & Hutter 2019. */
FL_INLINE void adam_step(ventry *e, const vrates *r, int amsgrad) {
    const vreal m = towards(e->s[0], e->g, r), v = mean_square(e->s[1], e->g, r);
    const vreal largest = amsgrad ? v_larger(e->s[2], v) : v;
    e->s[0] = m;
    e->s[1] = v;
    if (amsgrad) e->s[2] = largest;
    e->w = e->w * r->shrink + (r->rate * m) / (v_sqrt(largest) * r->root + r->eps);
}
FL_INLINE void adam(ventry *e, const vrates *r) { adam_step(e, r, 0); }
FL_INLINE void adam_amsgrad(ventry *e, const vrates *r) { adam_step(e, r, 1); }
UPDATE(adam, adam, 2)
UPDATE(adam_amsgrad, adam_amsgrad, 3)

/* Adam whose step counts as adaptive (`option`) only where the variance of v is small enough; before, w - lr m'.
 * Liu et al. 2020. */
FL_INLINE void radam(ventry *e, const vrates *r) {
    e->s[0] = towards(e->s[0], e->g, r);
    e->s[1] = mean_square(e->s[1], e->g, r);
    const vreal move = r->rate * e->s[0];
    e->w = e->w + v_select(r->option, move / root_of(e->s[1], r), move);
}
UPDATE(radam, radam, 2)

/* Adam with Nesterov's momentum: w + (c_g g + c_m m) / (sqrt v' + eps). Dozat 2016. */
FL_INLINE void nadam(ventry *e, const vrates *r) {
    e->s[0] = towards(e->s[0], e->g, r);
    e->s[1] = mean_square(e->s[1], e->g, r);
    e->w = e->w + (r->grad_rate * e->g + r->rate * e->s[0]) / (v_sqrt(e->s[1]) * r->root + r->eps);
}
UPDATE(nadam, nadam, 2)

/* m = mean of g, u = max(b2 u, |g| + eps); w - lr m' / u. Kingma & Ba 2015, section 7.1. */
FL_INLINE void adamax(ventry *e, const vrates *r) {
    e->s[0] = towards(e->s[0], e->g, r);
    e->s[1] = v_larger(r->keep * e->s[1], v_abs(e->g) + r->eps);
    e->w = e->w + (r->rate * e->s[0]) / e->s[1];
}
UPDATE(adamax, adamax, 2)

/* w - lr sign(b1 m + (1 - b1) g), then m = b2 m + (1 - b2) g. Chen et al. 2023. */
FL_INLINE void lion(ventry *e, const vrates *r) {
    e->w = e->w * r->shrink + r->rate * v_direction(r->momentum * e->s[0] + r->fresh * e->g);
    e->s[0] = r->keep * e->s[0] + r->take * e->g;
}
UPDATE(lion, lion, 1)
