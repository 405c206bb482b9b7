# SPDX-License-Identifier: BSD-3-Clause
"""Learning rates: too small, good, large and too large on a parabola; and decay where the gradient is noisy.

On f(w) = a w^2 / 2 every step multiplies w by 1 - rate * a: it shrinks slowly, at once, swinging from side to side, or
not at all. With one sample a step the gradient never vanishes, and a constant rate never settles; a decaying one does.
"""

import numpy as np
from _figure import output_folder, save
from matplotlib.figure import Figure

import fastloss as fl

CURVATURE, START, STEPS = 1.0, 4.0, 12
RATES = {"too small": 0.1, "good": 0.7, "large": 1.9, "too large": 2.1}
SCHEDULES = {
    "constant 0.3": fl.schedules.constant(0.3),
    "constant 0.003": fl.schedules.constant(0.003),
    "0.3 / (1 + 0.05 t)": fl.schedules.inverse_time(0.3, decay=0.05),
    "cosine from 0.3 to 0": fl.schedules.cosine(0.3, steps=4000),
    "0.3, a fifth every 800": fl.schedules.step(0.3, every=800, factor=0.2),
}


def parabola(rate):
    """The points visited."""
    w = np.array([START])
    descent, path = fl.SGD(w, lr=rate), [START]
    for _ in range(STEPS):
        descent.step(CURVATURE * w)
        path.append(w[0])
    return np.array(path)


def noisy_line():
    """200 points on y = 2 x - 1 plus noise: the objective, and its least value by the closed form."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-2, 2, 200)
    y = 2 * x - 1 + rng.normal(size=200)
    residual = np.linalg.lstsq(np.column_stack([x, np.ones(200)]), y, rcond=None)[1][0]
    return fl.linear.Objective(fl.SquaredError(half=True), x[:, None], y), residual / 400


def main():
    folder = output_folder(__doc__)
    paths = {name: parabola(rate) for name, rate in RATES.items()}
    print(f"{'learning rate':<20}{'factor a step':>14}{f'w after {STEPS}':>14}")
    for name, rate in RATES.items():
        print(f"{name + f' ({rate})':<20}{1 - rate * CURVATURE:>14.2f}{paths[name][-1]:>14.6f}")
    objective, least = noisy_line()
    print("schedule                  objective above its minimum after 20 epochs of single samples")
    curves = {}
    for name, schedule in SCHEDULES.items():
        excess = []
        fl.linear.train(
            objective, optimizer="sgd", lr=schedule, batch_size=1, epochs=20,
            callback=lambda result, excess=excess: excess.append(objective(result.w)[0] - least),
        )  # fmt: skip
        curves[name] = excess
        print(f"{name:<26}{excess[-1]:.2e}")

    figure = Figure(figsize=(13, 4), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(1.3, 1))
    grid = np.linspace(-6, 6, 200)
    for axis, (name, path) in zip(left.subplots(1, 4, sharey=True), paths.items()):
        axis.plot(grid, CURVATURE * grid**2 / 2, color="0.7")
        seen = path[np.abs(path) <= 6]
        axis.plot(seen, CURVATURE * seen**2 / 2, ".-", linewidth=1)
        axis.set(title=f"{name}: {RATES[name]}", xlabel="w", ylim=(0, 18))
    left.axes[0].set_ylabel("f(w)")
    axis = right.subplots()
    for name, excess in curves.items():
        axis.semilogy(range(1, 21), excess, label=name)
    axis.set(xlabel="epoch", ylabel="objective above its minimum", title="single samples of a noisy line")
    axis.set_xticks(range(0, 21, 5))
    axis.legend(fontsize="small")
    save(figure, folder / "learning_rates.png")


if __name__ == "__main__":
    main()
