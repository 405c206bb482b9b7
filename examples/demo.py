# SPDX-License-Identifier: BSD-3-Clause
"""The main job: a multiclass SVM and a softmax classifier learn handwritten digits, on fastloss and on NumPy.

Both backends see the same batches and must reach the same loss; prints one table and saves one picture.
"""

import argparse
import statistics
import sys
import time
from pathlib import Path

import matplotlib
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import fastloss as fl

matplotlib.use("Agg")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))
import numpy_baseline

CLASSES, STRENGTH, RATE, BATCH, SEED = 10, 1e-4, 3e-3, 128, 0
TOLERANCE = 1e-6  # relative; the two differ by rounding alone
MODELS = {
    "multiclass SVM": (fl.MulticlassHinge(), numpy_baseline.MulticlassHinge),
    "softmax": (fl.SoftmaxCrossEntropy(), numpy_baseline.SoftmaxCrossEntropy),
}


def load_data():
    """The 1,797 images of 8 x 8 pixels, scaled to [0, 1]: training images and labels, test images and labels."""
    images, labels = load_digits(return_X_y=True)
    train, test, train_labels, test_labels = train_test_split(
        images / 16, labels, test_size=0.2, random_state=SEED, stratify=labels
    )
    return np.ascontiguousarray(train), train_labels, np.ascontiguousarray(test), test_labels


def train_fastloss(loss, X, y, epochs, progress):
    """coef, intercept, loss per epoch."""
    objective = fl.linear.Objective(loss, X, y, penalty=fl.L2(STRENGTH), n_classes=CLASSES)
    result = fl.linear.train(
        objective, optimizer="adam", lr=RATE, batch_size=BATCH, epochs=epochs, seed=SEED, progress=progress
    )
    return result.coef, result.intercept, np.add(result.history["loss"], result.history["penalty"])


def train_numpy(loss, X, y, epochs, progress):
    """coef, intercept, loss per epoch."""
    report = progress_report(epochs) if progress else None
    settings = dict(classes=CLASSES, strength=STRENGTH, lr=RATE, batch_size=BATCH, epochs=epochs, seed=SEED)
    result = numpy_baseline.train(loss, X, y, after_epoch=report, **settings)
    if progress:
        report.close()
    return result


class progress_report:
    """What fastloss.linear.train(progress=True) shows, for the NumPy loop."""

    def __init__(self, epochs):
        self.epochs, self.bar = epochs, None
        if sys.stderr.isatty():
            from tqdm import tqdm

            self.bar = tqdm(total=epochs, unit="epoch", dynamic_ncols=True)

    def __call__(self, history):
        if self.bar is not None:
            self.bar.set_postfix_str(f"loss {history[-1]:.6g}", refresh=False)
            self.bar.update()
        elif len(history) in (1, self.epochs) or len(history) % max(1, self.epochs // 10) == 0:
            print(f"epoch {len(history)}/{self.epochs}: loss {history[-1]:.6g}", flush=True)

    def close(self):
        if self.bar is not None:
            self.bar.close()


def final_loss(name, coef, intercept, X, y):
    """Loss plus penalty over all images, in the formula's own words: no backend judges itself."""
    scores = X @ coef.T + intercept
    of_label = scores[np.arange(len(y)), y][:, None]
    if name == "softmax":
        losses = np.log(np.exp(scores - of_label).sum(axis=1))
    else:
        losses = np.maximum(0, scores - of_label + 1).sum(axis=1) - 1  # the label's own term is the margin
    return losses.mean() + STRENGTH * (coef**2).sum()


def run_model(name, data, epochs, rounds):
    """Train in turn on both backends; a dict per backend. The first round shows progress, the others are timed."""
    X, y, test, test_labels = data
    loss, baseline = MODELS[name]
    backends = {"fastloss": (train_fastloss, loss), "NumPy": (train_numpy, baseline)}
    results = {}
    for backend, (train, backend_loss) in backends.items():
        print(f"{name}, {backend}:", flush=True)
        coef, intercept, history = train(backend_loss, X, y, epochs, True)
        accuracy = float(((test @ coef.T + intercept).argmax(axis=1) == test_labels).mean())
        reached = final_loss(name, coef, intercept, X, y)
        results[backend] = dict(coef=coef, history=history, accuracy=accuracy, loss=reached, times=[])
    for _ in range(rounds):
        for backend, (train, backend_loss) in backends.items():
            begin = time.perf_counter()
            train(backend_loss, X, y, epochs, False)
            results[backend]["times"].append(time.perf_counter() - begin)
    for result in results.values():
        result["seconds"] = statistics.median(result["times"])
    return results


def print_table(results):
    print(f"\n{'model':<16}{'backend':<10}{'loss':>14}{'test accuracy':>15}{'seconds':>10}{'times faster':>14}")
    for name, backends in results.items():
        for backend, r in backends.items():
            faster = backends["NumPy"]["seconds"] / r["seconds"]
            print(
                f"{name:<16}{backend:<10}{r['loss']:>14.9f}{r['accuracy']:>14.1%} {r['seconds']:>10.3f}{faster:>14.2f}"
            )


def save_picture(results, path):
    """Loss curves of both backends, one on the other, and the weights of each class as an image."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 7), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(1, 1.6))
    curves = left.subplots(len(results), 1, sharex=True)
    for axis, (name, backends) in zip(curves, results.items()):
        for (backend, r), style in zip(
            backends.items(), ({"lw": 4, "alpha": 0.4}, {"lw": 1, "ls": "--", "color": "k"})
        ):
            axis.semilogy(np.arange(1, len(r["history"]) + 1), r["history"], label=backend, **style)
        axis.set(title=name, ylabel="loss + penalty")
        axis.legend()
    curves[-1].set_xlabel("epoch")
    for part, (name, backends) in zip(right.subfigures(len(results), 1), results.items()):
        part.suptitle(f"{name}: weights for each digit (blue against, red for)")
        coef = backends["fastloss"]["coef"]
        limit = np.abs(coef).max()
        for digit, axis in enumerate(part.subplots(2, CLASSES // 2).flat):
            axis.imshow(coef[digit].reshape(8, 8), cmap="RdBu_r", vmin=-limit, vmax=limit)
            axis.set(title=str(digit), xticks=[], yticks=[])
    figure.savefig(path, dpi=110)


def main(arguments=None):
    """Run the demo; 0 if both backends reached the same losses, else 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=7, help="timed trainings of each kind")
    parser.add_argument("--output", type=Path, default=Path("demo.png"))
    options = parser.parse_args(arguments)

    data = load_data()
    print(f"{len(data[0])} training and {len(data[2])} test images, {options.epochs} epochs, batches of {BATCH}")
    results = {name: run_model(name, data, options.epochs, options.rounds) for name in MODELS}
    print_table(results)
    save_picture(results, options.output)
    print(f"\nloss curves and weights: {options.output.resolve()}")
    status = 0
    for name, backends in results.items():
        ours, reference = backends["fastloss"]["loss"], backends["NumPy"]["loss"]
        difference = abs(ours - reference) / abs(reference)
        verdict = "ok" if difference <= TOLERANCE else "NOT OK"
        print(f"{name}: the losses differ by {difference:.1e} (relative; allowed {TOLERANCE:.0e}): {verdict}")
        status |= verdict != "ok"
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
