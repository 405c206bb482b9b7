/* The public calls without a struct: each fills one and hands it to the kernel's public function.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "fastloss.h"

fl_status fl_plain_loss(fl_loss_function loss, ptrdiff_t n, ptrdiff_t c, const void *pred, const void *target,
                        int label_bits, const double *param, fl_reduction reduction, void *grad, double *value) {
    const int one_per_row = label_bits || loss == fl_gaussian_nll_learned_f32 || loss == fl_gaussian_nll_learned_f64;
    fl_loss_call call = {.n = n, .c = c, .pred = pred, .pred_stride = c, .target = target,
                         .target_stride = one_per_row ? 1 : c, .label_bits = label_bits,
                         .reduction = reduction, .grad = grad, .grad_stride = c};
    if (param) memcpy(call.param, param, sizeof call.param);
    const fl_status status = loss(&call);
    if (value && status == FL_OK) *value = call.value;
    return status;
}

fl_status fl_plain_update(fl_update_function update, int type, ptrdiff_t n, void *param, const void *grad, void *state,
                          double lr, double weight_decay, const double *option, double *progress) {
    const size_t size = (size_t)n * (type == 0 ? sizeof(float) : sizeof(double));
    fl_tensor tensor = {.n = n, .type = type, .param = param, .grad = grad,
                        .step = progress[0], .product = progress[1]};
    for (size_t k = 0; state && k < FL_MAX_STATES; k++) tensor.state[k] = (char *)state + k * size;
    fl_update_call call = {.count = 1, .tensors = &tensor, .lr = lr, .weight_decay = weight_decay};
    if (option) memcpy(call.param, option, sizeof call.param);
    const fl_status status = update(&call);
    progress[0] = tensor.step;
    progress[1] = tensor.product;
    return status;
}

double fl_plain_regularizer(fl_regularizer_function regularizer, ptrdiff_t n, const void *x, void *y, uint8_t *mask,
                            uint64_t seed, const double *param) {
    fl_regularizer_call call = {.n = 1, .c = n, .k = 1, .x = x, .x_stride = n, .x_step = 1, .dy = x, .dy_stride = n,
                                .dy_step = 1, .y = y, .y_stride = n, .y_step = 1, .mask = mask, .mask_stride = n,
                                .seed = seed};
    memcpy(call.param, param, sizeof call.param);
    regularizer(&call);
    return call.value;
}
