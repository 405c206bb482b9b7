# SPDX-License-Identifier: BSD-3-Clause
"""A softmax classifier whose whole training loop is one function compiled by numba, with the loss, its gradient and the
optimizer's step from fastloss. Needs numba; prints the loss before and after.

    python examples/numba_calls.py
"""

import ctypes

import numba
import numpy as np

import fastloss as fl

size, pointer, integer, number = ctypes.c_ssize_t, ctypes.c_void_p, ctypes.c_int, ctypes.c_double

# The signatures of fastloss.h. A kernel is passed on as its address, an integer.
plain_loss = ctypes.CFUNCTYPE(
    integer, size, size, size, pointer, pointer, integer, pointer, integer, pointer, pointer
)(fl.get_function_address("plain_loss"))  # fmt: skip
plain_update = ctypes.CFUNCTYPE(
    integer, size, integer, size, pointer, pointer, pointer, number, number, pointer, pointer
)(fl.get_function_address("plain_update"))  # fmt: skip

CROSS_ENTROPY = fl.get_function_address("softmax_cross_entropy_f64")
ADAM = fl.get_function_address("adam")
DOUBLE, LABEL_BITS, MEAN = 1, 64, 0


@numba.njit
def train(X, y, coef, lr, steps):
    """Full-batch Adam on the mean cross-entropy; changes coef in place and returns the loss before every step."""
    losses, param = np.empty(steps), np.zeros(4)
    option = np.array([0.9, 0.999, 1e-8, 1.0, 0.0])  # beta1, beta2, eps, bias_correction, decoupled
    state, progress = np.zeros((2, coef.size)), np.array([0.0, 1.0])
    logits_grad = np.empty((X.shape[0], coef.shape[1]))
    for t in range(steps):
        logits = X @ coef
        status = plain_loss(CROSS_ENTROPY, logits.shape[0], logits.shape[1], logits.ctypes, y.ctypes, LABEL_BITS,
                            param.ctypes, MEAN, logits_grad.ctypes, losses[t:].ctypes)  # fmt: skip
        if status != 0:
            raise ValueError("a label is out of range")
        grad = X.T @ logits_grad
        plain_update(ADAM, DOUBLE, coef.size, coef.ctypes, grad.ctypes, state.ctypes, lr, 0.0, option.ctypes,
                     progress.ctypes)  # fmt: skip
    return losses


def main():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2000, 20))
    y = (X @ rng.normal(size=(20, 5))).argmax(axis=1)
    coef = np.zeros((20, 5))
    losses = train(X, y, coef, 0.05, 200)
    print(f"mean cross-entropy {losses[0]:.4f} at first, {losses[-1]:.4f} after {len(losses)} steps")
    print(f"accuracy {((X @ coef).argmax(axis=1) == y).mean():.3f}")


if __name__ == "__main__":
    main()
