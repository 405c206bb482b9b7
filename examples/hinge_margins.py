# SPDX-License-Identifier: BSD-3-Clause
"""The multiclass hinge on three images, and what changes if its definition does.

The scores of a cat, a car and a frog; then the sum over all classes, the mean instead of the sum, squares, another
margin, the worst class alone, scores a little changed and scores of 0.
"""

import numpy as np
from _figure import output_folder, panels, save

import fastloss as fl

SCORES = np.array([[3.2, 5.1, -1.7], [1.3, 4.9, 2.0], [2.2, 2.5, -3.1]])  # of cat, car and frog
LABELS = np.array([0, 1, 2])


def row(name, losses):
    print(f"{name:<28}", *(f"{loss:9.4f}" for loss in losses), f"{np.mean(losses):11.4f}")


def main():
    folder = output_folder(__doc__)
    hinge = fl.MulticlassHinge(reduction="none")
    losses = hinge(SCORES, LABELS)
    own = SCORES[np.arange(3), LABELS][:, None]
    print(f"{'':<28}{'cat':>10}{'car':>10}{'frog':>10}{'mean':>12}")
    row("margin 1", losses)
    row("sum over all classes", np.maximum(0, SCORES - own + 1).sum(axis=1))
    row("mean over the wrong ones", losses / 2)
    row("squared", fl.MulticlassHinge(squared=True, reduction="none")(SCORES, LABELS))
    row("margin 100", fl.MulticlassHinge(margin=100.0, reduction="none")(SCORES, LABELS))
    row("margin 100, scores * 100", fl.MulticlassHinge(margin=100.0, reduction="none")(100 * SCORES, LABELS))
    row("the worst class alone", fl.CrammerSingerHinge(reduction="none")(SCORES, LABELS))
    row("scores changed by 0.5", hinge(SCORES + [[0, 0, 0], [0.5, -0.5, 0.5], [0, 0, 0]], LABELS))
    row("scores 0, as W = 0 gives", hinge(np.zeros((3, 3)), LABELS))
    row("softmax cross-entropy", fl.SoftmaxCrossEntropy(reduction="none")(SCORES, LABELS))

    figure, (left, right) = panels(1, 2, (11, 4))
    z = np.linspace(-2, 3, 201)
    curves = {
        "hinge": fl.Hinge(reduction="none"),
        "hinge, margin 2": fl.Hinge(margin=2.0, reduction="none"),
        "squared hinge": fl.Hinge(squared=True, reduction="none"),
        "binary cross-entropy": fl.BinaryCrossEntropy(reduction="none"),
    }
    for name, loss in curves.items():
        left.plot(z, loss(z, np.ones(201)), label=name)
    left.plot(z, z < 0, "k:", label="errors counted")
    left.set(xlabel="score of a sample of class +1", ylabel="loss", title="two classes", ylim=(0, 6))
    left.legend()
    label_score = np.linspace(-4, 8, 241)
    for name, image, label in zip(("cat", "car", "frog"), SCORES, LABELS):
        moved = np.tile(image, (241, 1))
        moved[:, label] = label_score
        curve = right.plot(label_score, hinge(moved, np.full(241, label)), label=name)[0]
        right.plot(image[label], losses[label], "o", color=curve.get_color())
    right.set(xlabel="score of the right class", ylabel="loss", title="three classes: where the images are")
    right.legend()
    save(figure, folder / "hinge_margins.png")


if __name__ == "__main__":
    main()
