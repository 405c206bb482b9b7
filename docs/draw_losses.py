# SPDX-License-Identifier: BSD-3-Clause
"""Draws docs/images/loss_<class>.png: each loss, its gradient and its second derivative, computed by the library.

Run as ``python docs/draw_losses.py``; what a panel shows is one row of ``PANELS``, and losses.md says the rest.
"""

import io
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

import fastloss as fl

IMAGES = Path(__file__).with_name("images")
POINTS = 481
LINES = (("loss", "-", "#1f5fa8"), ("gradient", "--", "#d1622b"), ("second derivative", ":", "#4a8f3c"))


def pointwise(target):
    """The varied number is pred itself."""
    return lambda x: (x, np.full_like(x, target), ...)


def row_of_scores(label):
    """Rows (x, 0, 1): the varied number is the score of class 0."""

    def arguments(x):
        pred = np.stack([x, np.zeros_like(x), np.ones_like(x)], axis=1)
        return pred, np.full(x.size, label), (slice(None), 0)

    return arguments


def row_of_log_variance(x):
    """Rows (0, x): the varied number is the log-variance."""
    return np.stack([np.zeros_like(x), x], axis=1), np.ones_like(x), (slice(None), 1)


# class: panels of (title, loss, horizontal axis, its range, arguments for it, highest value shown)
PANELS = {
    "SquaredError": [("", fl.SquaredError(reduction="none"), "pred - target", (-2, 2), pointwise(0.0), 4)],
    "RootMeanSquaredError": [
        ("two residuals, the other 1", fl.RootMeanSquaredError(), "pred[0] - target[0]", (-4, 4), None, 3)
    ],
    "AbsoluteError": [("", fl.AbsoluteError(reduction="none"), "pred - target", (-3, 3), pointwise(0.0), 3)],
    "Huber": [("delta=1", fl.Huber(reduction="none"), "pred - target", (-3, 3), pointwise(0.0), 3)],
    "LogCosh": [("", fl.LogCosh(reduction="none"), "pred - target", (-3, 3), pointwise(0.0), 3)],
    "Pinball": [
        ("quantile=0.5", fl.Pinball(reduction="none"), "pred - target", (-3, 3), pointwise(0.0), 3),
        ("quantile=0.9", fl.Pinball(quantile=0.9, reduction="none"), "pred - target", (-3, 3), pointwise(0.0), 3),
    ],
    "EpsilonInsensitive": [
        (
            "epsilon=0.5",
            fl.EpsilonInsensitive(epsilon=0.5, reduction="none"),
            "pred - target",
            (-3, 3),
            pointwise(0.0),
            3,
        ),
        (
            "epsilon=0.5, squared",
            fl.EpsilonInsensitive(epsilon=0.5, squared=True, reduction="none"),
            "pred - target",
            (-3, 3),
            pointwise(0.0),
            5,
        ),
    ],
    "GaussianNLL": [
        ("variance=0.5", fl.GaussianNLL(variance=0.5, reduction="none"), "pred - target", (-2, 2), pointwise(0.0), 4),
        (
            "variance=None, residual 1",
            fl.GaussianNLL(variance=None, reduction="none"),
            "log-variance",
            (-3, 4),
            row_of_log_variance,
            4,
        ),
    ],
    "PoissonNLL": [
        ("target 2", fl.PoissonNLL(reduction="none"), "log-rate", (-3, 2.5), pointwise(2.0), 8),
        (
            "target 2, log_input=False",
            fl.PoissonNLL(log_input=False, reduction="none"),
            "rate",
            (0.05, 6),
            pointwise(2.0),
            6,
        ),
    ],
    "ExponentialNLL": [
        ("target 1", fl.ExponentialNLL(reduction="none"), "log-mean", (-2, 4), pointwise(1.0), 5),
        (
            "target 1, log_input=False",
            fl.ExponentialNLL(log_input=False, reduction="none"),
            "mean",
            (0.1, 5),
            pointwise(1.0),
            5,
        ),
    ],
    "GammaNLL": [
        ("target 1, shape=1", fl.GammaNLL(reduction="none"), "log-mean", (-2, 4), pointwise(1.0), 6),
        ("target 1, shape=3", fl.GammaNLL(shape=3.0, reduction="none"), "log-mean", (-2, 4), pointwise(1.0), 10),
    ],
    "TweedieNLL": [
        ("target 0, power=1.5", fl.TweedieNLL(reduction="none"), "log-mean", (-3, 3), pointwise(0.0), 8),
        ("target 2, power=1.5", fl.TweedieNLL(reduction="none"), "log-mean", (-3, 3), pointwise(2.0), 12),
    ],
    "BinaryCrossEntropy": [
        ("target 1", fl.BinaryCrossEntropy(reduction="none"), "logit", (-5, 5), pointwise(1.0), 5),
        (
            "target 1, from_logits=False",
            fl.BinaryCrossEntropy(from_logits=False, reduction="none"),
            "probability",
            (0.02, 1),
            pointwise(1.0),
            6,
        ),
    ],
    "Hinge": [
        ("target +1", fl.Hinge(reduction="none"), "score", (-2, 3), pointwise(1.0), 3),
        ("target +1, squared", fl.Hinge(squared=True, reduction="none"), "score", (-2, 3), pointwise(1.0), 6),
    ],
    "Focal": [
        ("target 1, gamma=0", fl.Focal(gamma=0.0, reduction="none"), "logit", (-5, 5), pointwise(1.0), 5),
        ("target 1, gamma=2", fl.Focal(reduction="none"), "logit", (-5, 5), pointwise(1.0), 5),
    ],
    **{
        type(loss).__name__: [
            (f"scores (x, 0, 1), target {label}", loss, "score of class 0", (-5, 5), row_of_scores(label), 5)
            for label in (0, 1)
        ]
        for loss in (
            fl.SoftmaxCrossEntropy(reduction="none"),
            fl.MulticlassHinge(reduction="none"),
            fl.CrammerSingerHinge(reduction="none"),
        )
    },
}


def curves(loss, x, arguments):
    """The loss, its gradient and, where there is one, its second derivative at each x."""
    if arguments is None:  # the loss of a whole batch: batches (x, 1)
        pairs = [loss.value_and_grad([u, 1.0], [0.0, 0.0]) for u in x]
        return [np.array([value for value, _ in pairs]), np.array([grad[0] for _, grad in pairs])]
    pred, target, column = arguments(x)
    value, grad, hess = loss.value_grad_hess(pred, target)
    return [value, grad[column], hess[column]]


def draw(name, folder=IMAGES):
    """Write the picture of one class and return its path."""
    panels = PANELS[name]
    figure = Figure(figsize=(3.5 * len(panels), 2.6), dpi=100, layout="constrained")
    for axes, (title, loss, label, (low, high), arguments, top) in zip(
        figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True
    ):
        x = np.linspace(low, high, POINTS)
        for y, (what, style, colour) in zip(curves(loss, x, arguments), LINES, strict=False):
            axes.plot(x, y, style, color=colour, label=what, linewidth=1.6)
            lowest = min(axes.get_ylim()[0], 0)
        axes.set(xlim=(low, high), ylim=(max(lowest, -top), top), xlabel=label)
        axes.set_title(title, fontsize=9)
        axes.xaxis.label.set_fontsize(8)
        axes.tick_params(labelsize=8)
        axes.axhline(0, color="0.6", linewidth=0.7, zorder=0)
    axes.legend(fontsize=7, framealpha=0.8)
    path = Path(folder) / f"loss_{name}.png"
    drawn = io.BytesIO()
    figure.savefig(drawn)
    # 64 colours are enough for three lines and their edges, and take a third of the bytes.
    Image.open(drawn).convert("RGB").quantize(64, Image.Quantize.MAXCOVERAGE).save(path, optimize=True)
    return path


if __name__ == "__main__":
    IMAGES.mkdir(exist_ok=True)
    for name in PANELS:
        print(draw(name).name)
