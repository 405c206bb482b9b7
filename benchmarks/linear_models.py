# SPDX-License-Identifier: BSD-3-Clause
"""Linear models against scikit-learn and PyTorch: epochs per second, and time to the same objective.

Run it as a script; it prints Markdown. Peers that are not installed are left out. Results are checked before anything
is timed, contenders run in turn, and each figure is the median of the repeats. The kernels alone are timed by run.py.
"""

import argparse
import statistics
import warnings

import numpy as np
from scipy.optimize import minimize
from timing import in_turn

import fastloss as fl

try:
    import torch
except ImportError:
    torch = None
try:
    from sklearn.datasets import load_digits
    from sklearn.linear_model import LogisticRegression, SGDClassifier
except ImportError:
    load_digits = None

L2 = 1e-4
BATCH = 128
CLOSE = 1.05  # how near to the smallest objective a contender must come, and from which we count it as there
MOST = 1024  # epochs or iterations after which a contender gives up


# ---- problems ----


def digits():
    """1797 images of 8 x 8 in 10 classes."""
    X, y = load_digits(return_X_y=True)
    return (X / 16).astype(np.float32), y


def synthetic(n=60_000, d=784, c=10):
    """Classes by the largest of c linear scores, with noise."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, d)).astype(np.float32)
    scores = X @ rng.normal(size=(d, c)).astype(np.float32) / np.sqrt(d)
    return X, np.argmax(scores + 0.3 * rng.normal(size=(n, c)), axis=1)


def softmax_objective(X, y):
    return fl.linear.Objective(fl.SoftmaxCrossEntropy(), X, y, penalty=fl.L2(L2))


def binary_objective(X, y):
    """Class 0 against the rest, as SGDClassifier sees it: half the sum of squares."""
    return fl.linear.Objective(fl.BinaryCrossEntropy(), X, y == 0, penalty=fl.L2(L2, half=True))


# ---- contenders: functions of a number of epochs or iterations that return the flat parameters ----


def fastloss_train(objective, **options):
    return lambda epochs: fl.linear.train(objective, epochs=epochs, **options).w


def fastloss_lbfgs(objective):
    start = np.zeros(objective.size)
    return lambda steps: minimize(objective, start, jac=True, method="L-BFGS-B", options={"maxiter": steps}).x


def torch_loop(X, y, lr, threads, fused=False):
    """Softmax, L2 and Adam, with the batches of fastloss.linear.train."""
    c = int(y.max()) + 1

    def run(epochs):
        torch.set_num_threads(threads)
        data, labels, rng = torch.from_numpy(X), torch.from_numpy(y), np.random.default_rng(0)
        W, b = torch.zeros(c, X.shape[1], requires_grad=True), torch.zeros(c, requires_grad=True)
        optimizer = torch.optim.Adam([W, b], lr=lr, fused=fused)
        for _ in range(epochs):
            order = torch.from_numpy(rng.permutation(len(X)))
            for start in range(0, len(X), BATCH):
                rows = order[start : start + BATCH]
                loss = torch.nn.functional.cross_entropy(torch.addmm(b, data[rows], W.T), labels[rows])
                loss = loss + L2 * (W * W).sum()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        return np.concatenate([W.detach().numpy().ravel(), b.detach().numpy()])

    return run


def scikit(make, X, y):
    """An estimator, made for a number of iterations."""

    def run(iterations):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it has not converged
            model = make(iterations).fit(X, y)
        return np.concatenate([model.coef_.ravel(), model.intercept_])

    return run


def sgd_classifier(lr):
    return lambda epochs: SGDClassifier(
        loss="log_loss", alpha=L2, max_iter=epochs, tol=None, learning_rate="constant", eta0=lr
    )


# ---- measuring ----


def seconds_of(contenders, repeats):
    """The median time of each function, all of them in turn."""
    times = in_turn(contenders, dict.fromkeys(contenders, 1), repeats)
    return {name: statistics.median(values) for name, values in times.items()}


def table(title, rows):
    print(f"\n{title}\n")
    widths = [max(len(str(row[k])) for row in rows) for k in range(len(rows[0]))]
    for i, row in enumerate(rows):
        print("| " + " | ".join(str(x).ljust(w) for x, w in zip(row, widths)) + " |")
        if i == 0:
            print("|" + "|".join("-" * (w + 2) for w in widths) + "|")


def epochs_per_second(name, X, y, repeats):
    """Batches of 128 against PyTorch, single samples against SGDClassifier."""
    objective = softmax_objective(X, y)
    batches = {"fastloss, Adam": fastloss_train(objective, optimizer="adam", lr=1e-3, batch_size=BATCH)}
    if torch is not None:
        for threads in (1, 2):
            for fused in (False, True):
                label = f"PyTorch, {'fused ' * fused}Adam, {threads} thread{'s' * (threads > 1)}"
                batches[label] = torch_loop(X, y, 1e-3, threads, fused)
    values = {label: objective.value(run(1)) for label, run in batches.items()}
    assert max(values.values()) < 1.001 * min(values.values()), f"the contenders do not agree: {values}"
    singles = {
        "fastloss, SGD": fastloss_train(objective, optimizer="sgd", lr=1e-3, batch_size=1),
        "fastloss, Adam": fastloss_train(objective, optimizer="adam", lr=1e-3, batch_size=1),
    }
    if load_digits is not None:
        singles["SGDClassifier (one against the rest)"] = scikit(sgd_classifier(1e-3), X, y)
    for size, contenders in ((BATCH, batches), (1, singles)):
        seconds = seconds_of({label: lambda run=run: run(1) for label, run in contenders.items()}, repeats)
        first = next(iter(seconds.values()))
        rows = [("", "epochs per second", "time against fastloss")]
        rows += [(label, f"{1 / s:.2f}", f"{s / first:.2f}") for label, s in seconds.items()]
        table(f"{name}: batches of {size}" if size > 1 else f"{name}: single samples", rows)


def budget_to(run, objective, goal):
    """The smallest power of two of epochs or iterations that brings the objective below the goal, or None."""
    budget = 1
    while budget <= MOST:
        if objective.value(run(budget)) <= goal:
            return budget
        budget *= 2
    return None


def time_to_objective(name, title, objective, contenders, repeats):
    """How long each contender takes until its objective is near the smallest."""
    options = {"maxiter": 10_000, "ftol": 1e-12, "gtol": 1e-7}
    smallest = minimize(objective, np.zeros(objective.size), jac=True, method="L-BFGS-B", options=options).fun
    budgets = {label: budget_to(run, objective, CLOSE * smallest) for label, run in contenders.items()}
    runs = {
        label: lambda run=run, label=label: run(budgets[label])
        for label, run in contenders.items()
        if budgets[label] is not None
    }
    seconds = seconds_of(runs, repeats)
    rows = [("", "seconds", "epochs or iterations", "objective")]
    for label, run in contenders.items():
        if label not in seconds:
            rows.append((label, f"not within {MOST}", "", ""))
            continue
        rows.append((label, f"{seconds[label]:.3f}", budgets[label], f"{objective.value(run(budgets[label])):.6f}"))
    table(f"{name}, {title}: time to within 5 % of the smallest objective ({smallest:.6f})", rows)


def softmax_contenders(X, y, objective):
    contenders = {
        "fastloss, L-BFGS of SciPy": fastloss_lbfgs(objective),
        "fastloss, Adam, batches": fastloss_train(objective, optimizer="adam", lr=3e-3, batch_size=BATCH),
    }
    if torch is not None:
        for threads in (1, 2):
            label = f"PyTorch, Adam, batches, {threads} thread{'s' * (threads > 1)}"
            contenders[label] = torch_loop(X, y, 3e-3, threads)
    if load_digits is not None:
        strength = 1 / (2 * L2 * len(X))
        contenders["LogisticRegression"] = scikit(
            lambda steps: LogisticRegression(C=strength, tol=1e-12, max_iter=steps), X, y
        )
    return contenders


def binary_contenders(X, y, objective):
    lr = float(1 / np.mean(np.einsum("ij,ij->i", X, X)))  # a row's curvature is at most a quarter of its square
    options = dict(optimizer="sgd", lr=lr, batch_size=1)
    contenders = {"fastloss, SGD, single samples": fastloss_train(objective, **options)}
    if load_digits is not None:
        contenders["SGDClassifier"] = scikit(sgd_classifier(lr), X, y == 0)
    return contenders


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--rows", type=int, default=60_000, help="of the synthetic problem")
    parser.add_argument("--only", choices=["digits", "synthetic"])
    parser.add_argument("--no-objective", action="store_true", help="epochs per second only")
    args = parser.parse_args()
    problems = {f"{args.rows} x 784, 10 classes": lambda: synthetic(args.rows)}
    if load_digits is not None:
        problems = {"Digits": digits, **problems}
    for name, make in problems.items():
        if args.only and (args.only == "digits") != (name == "Digits"):
            continue
        X, y = make()
        epochs_per_second(name, X, y, args.repeats)
        if args.no_objective:
            continue
        objective = softmax_objective(X, y)
        time_to_objective(name, "softmax", objective, softmax_contenders(X, y, objective), args.repeats)
        objective = binary_objective(X, y)
        time_to_objective(
            name, "one class against the rest", objective, binary_contenders(X, y, objective), args.repeats
        )


if __name__ == "__main__":
    main()
