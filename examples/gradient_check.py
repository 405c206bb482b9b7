# SPDX-License-Identifier: BSD-3-Clause
"""Numerical against analytic gradients: the error against the step size, and what check_grad finds.

A large step errs by the curvature of the function, a tiny one by the rounding of its values; between them the error is
least, at a step that depends on the formula. The function is the softmax cross-entropy of one sample in one score.
"""

import numpy as np
from _figure import output_folder, panels, save

import fastloss as fl

SCORES, LABEL = np.array([3.2, 5.1, -1.7]), 0
STEPS = np.geomspace(1e-12, 1, 97)
FORMULAS = {  # name: multiples of the step and their weights, order of the error
    "forward": ([1, 0], [1, -1], 1),
    "central": ([1, -1], [1 / 2, -1 / 2], 2),
    "central, order 4": ([1, -1, 2, -2], [2 / 3, -2 / 3, -1 / 12, 1 / 12], 4),
}


def value(z):
    """The loss with z in the place of the label's score."""
    return fl.SoftmaxCrossEntropy()([[z, *SCORES[1:]]], [LABEL])


def difference(formula, h):
    multiples, weights, _ = FORMULAS[formula]
    return sum(w * value(SCORES[0] + m * h) for m, w in zip(multiples, weights)) / h


def sine(p):
    """sin(x + y^2) and its gradient by the chain rule."""
    x, y = p
    return np.sin(x + y**2), np.cos(x + y**2) * np.array([1, 2 * y])


def sine_wrong(p):
    """The same with the inner derivative of y^2 forgotten."""
    value, grad = sine(p)
    return value, grad[[0, 0]]


def main():
    folder = output_folder(__doc__)
    analytic = fl.SoftmaxCrossEntropy().value_and_grad([SCORES], [LABEL])[1][0, LABEL]
    print(f"analytic derivative: {analytic:.12f}")
    print(f"{'formula':<18}{'at step 1e-3':>16}{'its error':>12}{'best step':>12}{'its error':>12}")
    errors = {}
    for name in FORMULAS:
        errors[name] = np.array([abs(difference(name, h) - analytic) for h in STEPS])
        at = difference(name, 1e-3)
        best = errors[name].argmin()
        print(f"{name:<18}{at:>16.12f}{abs(at - analytic):>12.1e}{STEPS[best]:>12.0e}{errors[name][best]:>12.1e}")
    print(f"check_grad, the loss:               {fl.check_grad(fl.SoftmaxCrossEntropy(), [SCORES], [LABEL]):.1e}")
    print(f"check_grad, sin(x + y^2):           {fl.check_grad(sine, [0.5, 1.5]):.1e}")
    print(f"check_grad, without the inner 2 y:  {fl.check_grad(sine_wrong, [0.5, 1.5]):.1e}")

    figure, axis = panels(1, 1, (8, 4.5))
    for k, (name, error) in enumerate(errors.items()):
        order = FORMULAS[name][2]
        axis.loglog(STEPS, np.maximum(error, 1e-17), ".-", color=f"C{k}", label=f"{name}: error falls as step^{order}")
    axis.set(xlabel="step", ylabel="error of the derivative", title="numerical against analytic derivative")
    axis.legend()
    save(figure, folder / "gradient_check.png")


if __name__ == "__main__":
    main()
