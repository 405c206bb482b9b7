# SPDX-License-Identifier: BSD-3-Clause
"""Softmax, log-sum-exp and the cross-entropy between two distributions, in numbers.

The scores 3.2, 5.1 and -1.7 of an image whose class is the first; the naive formula on large scores; and the
cross-entropy H(p, q) = H(p) + KL(p, q), whose least value over q is the entropy of p.
"""

import numpy as np
from _figure import output_folder, panels, save

import fastloss as fl

SCORES, LABEL = np.array([[3.2, 5.1, -1.7]]), np.array([0])
P, Q = np.array([[0.7, 0.2, 0.1]]), np.array([[0.5, 0.3, 0.2]])


def naive(scores, label):
    """-log softmax as it is written: exp overflows for scores above 709."""
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        e = np.exp(scores)
        return float(-np.log(e[0, label] / e.sum())[0])


def main():
    folder = output_folder(__doc__)
    loss = fl.SoftmaxCrossEntropy()
    probabilities = loss.predict_proba(SCORES)[0]
    value, grad = loss.value_and_grad(SCORES, LABEL)
    print("scores       ", *(f"{s:9.4f}" for s in SCORES[0]))
    print("softmax      ", *(f"{p:9.4f}" for p in probabilities))
    print("gradient     ", *(f"{g:9.4f}" for g in grad[0]))
    print(f"cross-entropy {value:9.4f} nats, {value / np.log(10):.4f} in decimal digits, {value / np.log(2):.4f} bits")
    print(f"log-sum-exp   {value + SCORES[0, 0]:9.4f}")

    print("\nscores moved up by    naive    fastloss")
    for shift in (0.0, 700.0, 1000.0, 1e6):
        moved = SCORES + shift
        print(f"{shift:>18g}{naive(moved, LABEL):>9.4f}{loss(moved, LABEL):>12.4f}")

    cross, entropy = loss(np.log(Q), P), loss(np.log(P), P)
    print(f"\nH(p, q) {cross:.6f} = H(p) {entropy:.6f} + KL(p, q) {cross - entropy:.6f}")

    figure, (left, right) = panels(1, 2, (11, 4))
    rows = [SCORES[0], np.exp(SCORES[0]) / 40, probabilities]
    for k, (row, label) in enumerate(zip(rows, ("score", "exp(score) / 40", "softmax"))):
        bars = left.bar(np.arange(3) + 0.27 * (k - 1), row, 0.25, label=label)
        left.bar_label(bars, fmt="%.2f", fontsize="small")
    left.set(xticks=range(3), xlabel="class (the right one is 0)", title="from scores to probabilities", ylim=(-2.4, 6))
    left.legend()
    binary = fl.BinaryCrossEntropy(from_logits=False)
    q = np.linspace(0.01, 0.99, 197)
    for k, p in enumerate((0.1, 0.3, 0.5)):
        right.plot(q, [binary([x], [p]) for x in q], color=f"C{k}", label=f"p = {p}")
        right.plot(p, binary([p], [p]), "o", color=f"C{k}")
    right.set(xlabel="q", ylabel="cross-entropy, nats", title="H(p, q) is least at q = p", ylim=(0, 3))
    right.legend()
    save(figure, folder / "entropy.png")


if __name__ == "__main__":
    main()
