# SPDX-License-Identifier: BSD-3-Clause
"""Poisson regression of real counts by BFGS, beside the straight line of least squares.

Deaths from AIDS in Australia in each quarter from 1983 to June 1986 (Whyte, Gold, Dobson & Cooper 1987, as given in
Dobson 1990, An Introduction to Generalized Linear Models). The model: log of the expected count = intercept + slope
times the quarter. Standard errors come from the inverse of X^T diag(mu) X, the Hessian of the summed loss.
"""

import numpy as np
from _figure import output_folder, panels, save
from scipy.optimize import minimize

import fastloss as fl

DEATHS = np.array([0, 1, 2, 3, 1, 4, 9, 18, 23, 31, 20, 25, 37, 45])
QUARTER = np.arange(1.0, 15.0)
X = QUARTER[:, None]


def fit(loss):
    """Slope and intercept."""
    objective = fl.linear.Objective(loss, X, DEATHS)
    return minimize(objective, np.zeros(2), jac=True, method="BFGS", options={"gtol": 1e-8}).x


def main():
    folder = output_folder(__doc__)
    poisson = fl.PoissonNLL(full=True, reduction="sum")
    slope, intercept = fit(fl.PoissonNLL())
    mean = np.exp(intercept + slope * QUARTER)
    design = np.column_stack([QUARTER, np.ones(14)])
    errors = np.sqrt(np.diag(np.linalg.inv(design.T @ (mean[:, None] * design))))
    line_slope, line_intercept = fit(fl.SquaredError())
    print(f"{'Poisson regression':<20}{'estimate':>12}{'std. error':>12}")
    print(f"{'slope':<20}{slope:>12.6f}{errors[0]:>12.6f}")
    print(f"{'intercept':<20}{intercept:>12.6f}{errors[1]:>12.6f}")
    print(f"log-likelihood      {-poisson(np.log(mean), DEATHS):>12.6f}")
    print(f"growth per quarter  {np.exp(slope):>12.6f}")
    line = line_intercept + line_slope * QUARTER
    print(f"straight line       {line_slope:>12.6f}{line_intercept:>12.6f} (slope, intercept)")
    print(f"negative means      {np.sum(line < 0):>12d} of 14 by the line, {np.sum(mean < 0)} by Poisson")

    figure, (left, right) = panels(1, 2, (11, 4))
    grid = np.linspace(1, 14, 200)
    left.plot(QUARTER, DEATHS, "ko", label="counts")
    left.plot(grid, np.exp(intercept + slope * grid), label="Poisson regression")
    left.plot(grid, line_intercept + line_slope * grid, "--", label="least squares")
    left.axhline(0, color="0.7", linewidth=0.8)
    left.set(xlabel="quarter, from January 1983", ylabel="deaths", title="expected counts")
    left.legend()
    right.plot(QUARTER, (DEATHS - mean) / np.sqrt(mean), "ko")
    right.axhline(0, color="0.7", linewidth=0.8)
    right.set(xlabel="quarter, from January 1983", ylabel="(count - mean) / sqrt(mean)", title="Pearson residuals")
    save(figure, folder / "poisson_counts.png")


if __name__ == "__main__":
    main()
