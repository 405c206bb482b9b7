# SPDX-License-Identifier: BSD-3-Clause
"""SVM and softmax on the same handwritten digits: their weights as pictures, and what their scores mean.

Both are linear and differ in the loss alone. The SVM is content once the right score leads by the margin: most images
cost nothing. Softmax always wants more, and its scores are log-probabilities up to a constant.
"""

import numpy as np
from _figure import output_folder, save
from matplotlib.figure import Figure
from scipy.optimize import minimize
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import fastloss as fl

MODELS = {"SVM (squared hinge)": fl.MulticlassHinge(squared=True), "softmax": fl.SoftmaxCrossEntropy()}
STRENGTH = 1e-3
IMAGE = 5  # of the test set, shown with its scores


def load_data():
    images, labels = load_digits(return_X_y=True)
    return train_test_split(images / 16, labels, test_size=0.25, random_state=0, stratify=labels)


def fit(loss, X, y):
    objective = fl.linear.Objective(loss, X, y, penalty=fl.L2(STRENGTH))
    found = minimize(objective, np.zeros(objective.size), jac=True, method="CG", options={"gtol": 1e-6})
    return *objective.unpack(found.x), found.fun


def main():
    folder = output_folder(__doc__)
    X, test, y, labels = load_data()
    print(f"{'model':<22}{'objective':>12}{'train acc.':>12}{'test acc.':>12}{'test images of loss 0':>24}")
    fitted = {}
    for name, loss in MODELS.items():
        coef, intercept, least = fit(loss, X, y)
        scores = test @ coef.T + intercept
        each = type(loss)(squared=True, reduction="none") if "SVM" in name else type(loss)(reduction="none")
        free = np.mean(each(scores, labels) == 0)
        train = np.mean(loss.predict(X @ coef.T + intercept) == y)
        print(f"{name:<22}{least:>12.8f}{train:>12.4f}{np.mean(loss.predict(scores) == labels):>12.4f}{free:>24.4f}")
        fitted[name] = coef, scores[IMAGE]
    chance = MODELS["softmax"].predict_proba(fitted["softmax"][1][None])[0]
    print(f"test image {IMAGE} is a {labels[IMAGE]}: softmax gives it {chance[labels[IMAGE]]:.4f}")

    figure = Figure(figsize=(12, 6.5), layout="constrained")
    for part, (name, (coef, scores)) in zip(figure.subfigures(2, 1), fitted.items()):
        part.suptitle(f"{name}: weights of each digit (red for, blue against), and the scores of one image")
        axes = part.subplot_mosaic([[0, 1, 2, 3, 4, "image", "bars"], [5, 6, 7, 8, 9, "image", "bars"]],
                                   width_ratios=(1, 1, 1, 1, 1, 1.3, 2.6))  # fmt: skip
        limit = np.abs(coef).max()
        for digit in range(10):
            axes[digit].imshow(coef[digit].reshape(8, 8), cmap="RdBu_r", vmin=-limit, vmax=limit)
            axes[digit].set(title=str(digit), xticks=[], yticks=[])
        axes["image"].imshow(test[IMAGE].reshape(8, 8), cmap="Greys")
        axes["image"].set(title=f"a {labels[IMAGE]}", xticks=[], yticks=[])
        axes["bars"].bar(range(10), scores, color=["C3" if k == labels[IMAGE] else "C0" for k in range(10)])
        axes["bars"].axhline(0, color="0.5", linewidth=0.8)
        axes["bars"].set(xlabel="digit", ylabel="score", xticks=range(10))
    save(figure, folder / "svm_against_softmax.png")


if __name__ == "__main__":
    main()
