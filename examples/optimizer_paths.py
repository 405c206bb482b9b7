# SPDX-License-Identifier: BSD-3-Clause
"""The optimizers side by side: their paths on one surface, and their loss curves on the digits.

The surface is a narrow valley, f(x, y) = x^2 / 20 + y^2, where plain descent swings across or creeps along. The digits
are scikit-learn's, with a linear softmax classifier and the whole data set per step. Prints where each ended up and
saves two pictures.
"""

import numpy as np
from _figure import output_folder, panels, save
from sklearn.datasets import load_digits

import fastloss as fl

# name: class, learning rate on the surface, on the digits, other options
OPTIMIZERS = {
    "SGD": (fl.SGD, 0.9, 0.5, {}),
    "momentum": (fl.SGD, 0.1, 0.1, {"momentum": 0.9}),
    "Nesterov": (fl.SGD, 0.1, 0.1, {"momentum": 0.9, "nesterov": True}),
    "Adagrad": (fl.Adagrad, 1.5, 0.1, {}),
    "Adadelta": (fl.Adadelta, 30.0, 10.0, {}),
    "RMSprop": (fl.RMSprop, 0.2, 0.01, {"alpha": 0.9}),
    "Adam": (fl.Adam, 0.3, 0.02, {}),
    "AdamW": (fl.AdamW, 0.3, 0.02, {}),
    "RAdam": (fl.RAdam, 0.3, 0.02, {}),
    "NAdam": (fl.NAdam, 0.3, 0.02, {}),
    "Adamax": (fl.Adamax, 0.4, 0.02, {}),
    "Lion": (fl.Lion, 0.2, 0.005, {}),
}
START, SURFACE_STEPS, DIGIT_STEPS = (-7.0, 2.0), 60, 200


def surface(x, y):
    return x**2 / 20 + y**2


def path_of(optimizer, lr, options):
    """The points visited on the surface."""
    w = np.array(START)
    opt = optimizer(w, lr=lr, **options)
    points = [w.copy()]
    for _ in range(SURFACE_STEPS):
        opt.step(np.array([w[0] / 10, 2 * w[1]]))
        points.append(w.copy())
    return np.array(points)


def curve_of(optimizer, lr, options, x, labels):
    """The mean loss before each step, and the accuracy at the end, on the digits."""
    loss = fl.SoftmaxCrossEntropy()
    weights, bias = np.zeros((x.shape[1], 10)), np.zeros(10)
    grad = np.empty((len(x), 10))
    opt = optimizer([weights, bias], lr=lr, **options)
    curve = []
    for _ in range(DIGIT_STEPS):
        value, _ = loss.value_and_grad(x @ weights + bias, labels, out=grad)
        curve.append(value)
        opt.step([x.T @ grad, grad.sum(axis=0)])
    return curve, np.mean(loss.predict(x @ weights + bias) == labels)


def draw_paths(paths, file):
    figure, axes = panels(3, 4, (14, 8), sharex=True, sharey=True)
    x, y = np.meshgrid(np.linspace(-8, 8, 200), np.linspace(-3, 3, 100))
    for axis, (name, points) in zip(axes.flat, paths.items(), strict=True):
        axis.contour(x, y, surface(x, y), levels=np.geomspace(0.02, 12, 12), colors="0.75", linewidths=0.7)
        axis.plot(*points.T, ".-", markersize=3, linewidth=1)
        axis.plot(0, 0, "k+")
        axis.set_title(f"{name}, lr={OPTIMIZERS[name][1]:g}")
        axis.set_ylim(-3, 3)
    figure.suptitle(f"{SURFACE_STEPS} steps on x²/20 + y²")
    save(figure, file)


def draw_curves(curves, file):
    figure, axis = panels(1, 1, (9, 5))
    styles = ("-", "--", ":")
    for k, (name, curve) in enumerate(curves.items()):
        axis.semilogy(curve, styles[k % 3], label=f"{name}, lr={OPTIMIZERS[name][2]:g}", linewidth=1.3)
    axis.set(xlabel="step (the whole data set)", ylabel="mean cross-entropy", title="Softmax classifier on the digits")
    axis.legend(ncols=2, fontsize="small")
    save(figure, file)


def main():
    folder = output_folder(__doc__)
    x, labels = load_digits(return_X_y=True)
    x = x / 16
    paths, curves = {}, {}
    print(f"{'optimizer':10} {'f at the end':>13} {'digits: loss':>13} {'accuracy':>9}")
    for name, (optimizer, lr_surface, lr_digits, options) in OPTIMIZERS.items():
        paths[name] = path_of(optimizer, lr_surface, options)
        curves[name], accuracy = curve_of(optimizer, lr_digits, options, x, labels)
        print(f"{name:10} {surface(*paths[name][-1]):13.2e} {curves[name][-1]:13.4f} {accuracy:9.4f}")
    draw_paths(paths, folder / "optimizer_paths.png")
    draw_curves(curves, folder / "optimizer_curves.png")


if __name__ == "__main__":
    main()
