/* The numbers of a step that are the same for all entries of a tensor: learning rates, bias corrections, weights of
 * moving averages. In double and in PyTorch's order of operations, once per step; the formulas are in kernels/.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "update_rates.h"

#include <math.h>

/* m moves towards g by the weight 1 - beta. From 1/2 on, PyTorch computes g - (g - m) beta. */
static void moving_average(fl_rates *r, double beta) {
    const double weight = 1 - beta;
    r->from_end = weight >= 0.5;
    r->pull = r->from_end ? -(1 - weight) : weight;
}

static void moving_square(fl_rates *r, double beta) {
    r->keep = beta;
    r->take = 1 - beta;
}

static void place_eps(fl_rates *r, double eps, int inside) {
    r->eps_inside = inside ? eps : 0;
    r->eps = inside ? 0 : eps;
}

/* Decay that does not pass through the gradient: w is multiplied by 1 - lr * decay. */
static void decouple(fl_rates *r, double lr, double decay) {
    r->shrink = 1 - lr * decay;
    r->decay = 0;
}

static void sgd(fl_rates *r, const double *param, double t) {
    r->momentum = param[0];
    r->fresh = t == 1 ? 1 : 1 - param[1];
    r->option = param[2] != 0;
}

static void rmsprop(fl_rates *r, const double *param) {
    moving_square(r, param[0]);
    moving_average(r, param[0]);
    place_eps(r, param[1], param[3] != 0);
    r->momentum = param[2];
}

static void adam(fl_rates *r, const double *param, double t) {
    if (param[3] == 0) return;
    r->rate = r->rate / (1 - pow(param[0], t));
    r->root = 1 / sqrt(1 - pow(param[1], t));
}

/* rho: how many gradients v averages over; the step adapts where that is above 5. */
static void radam(fl_rates *r, const double *param, double t) {
    const double power = pow(param[1], t), correction = 1 - power;
    const double rho_inf = 2 / (1 - param[1]) - 1, rho = rho_inf - 2 * t * power / correction;
    r->rate = r->rate / (1 - pow(param[0], t));
    r->option = rho > 5;
    if (!r->option) return;
    const double rectified = sqrt((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho));
    r->rate = r->rate * sqrt(correction) * rectified;
}

/* The momentum grows from half of beta1 towards beta1; 0.96 is the paper's constant. */
static double nadam(fl_rates *r, const double *param, double t, double product) {
    const double mu = param[0] * (1 - 0.5 * pow(0.96, t * param[3]));
    const double next = param[0] * (1 - 0.5 * pow(0.96, (t + 1) * param[3]));
    product *= mu;
    r->grad_rate = r->rate * (1 - mu) / (1 - product);
    r->rate = r->rate * next / (1 - product * next);
    r->root = 1 / sqrt(1 - pow(param[1], t));
    return product;
}

static void gradient(fl_rates *r, const fl_update_call *call, double factor) {
    r->factor = call->maximize ? -factor : factor;
    r->limit = call->clip_value > 0 ? call->clip_value : INFINITY;
    r->plain = r->factor == 1 && r->limit == INFINITY && r->decay == 0;
}

double fl_update_rates(int update, const fl_update_call *call, const fl_tensor *tensor, double factor,
                       fl_rates *rates) {
    const double *param = call->param, t = tensor->step + 1;
    double product = tensor->product;
    fl_rates r = {.rate = -call->lr, .decay = call->weight_decay, .shrink = 1, .root = 1};
    if (update >= FL_UPDATE_adam && update != FL_UPDATE_lion) { /* the family of Adam: two betas and eps */
        moving_average(&r, param[0]);
        moving_square(&r, param[1]);
        r.eps = param[2];
    }
    switch (update) {
    case FL_UPDATE_sgd_momentum: sgd(&r, param, t); break;
    case FL_UPDATE_adagrad:
        r.rate = r.rate / (1 + (t - 1) * param[0]);
        place_eps(&r, param[1], param[2] != 0);
        break;
    case FL_UPDATE_adadelta:
        moving_square(&r, param[0]);
        r.eps_inside = param[1];
        break;
    case FL_UPDATE_rmsprop:
    case FL_UPDATE_rmsprop_momentum:
    case FL_UPDATE_rmsprop_centered:
    case FL_UPDATE_rmsprop_centered_momentum: rmsprop(&r, param); break;
    case FL_UPDATE_adam:
    case FL_UPDATE_adam_amsgrad:
        adam(&r, param, t);
        if (param[4] != 0) decouple(&r, call->lr, call->weight_decay);
        break;
    case FL_UPDATE_radam: radam(&r, param, t); break;
    case FL_UPDATE_nadam: product = nadam(&r, param, t, product); break;
    case FL_UPDATE_adamax: r.rate = r.rate / (1 - pow(param[0], t)); break;
    case FL_UPDATE_lion:
        decouple(&r, call->lr, call->weight_decay);
        moving_square(&r, param[1]);
        r.momentum = param[0];
        r.fresh = 1 - param[0];
        break;
    default: break;
    }
    gradient(&r, call, factor);
    *rates = r;
    return product;
}
