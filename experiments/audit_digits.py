"""Predictions of two models that are not ours, for ``prunegap audit``: scikit-learn's digits, a forest and a small one.

``python experiments/audit_digits.py`` writes ``experiments/digits_predictions.csv``: every digit's true class, what a
forest of 200 trees and one of 8 shallow trees say of it when they have not seen it (ten-fold cross-validation), and
how much ink it has.
"""

import csv
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import cross_val_predict

OUT = Path(__file__).with_name("digits_predictions.csv")


def main() -> None:
    """Write the table."""
    digits = load_digits()
    large = RandomForestClassifier(200, random_state=0)
    small = RandomForestClassifier(8, max_depth=6, random_state=0)
    before, after = (cross_val_predict(one, digits.data, digits.target, cv=10) for one in (large, small))
    ink = digits.data.sum(axis=1)
    strokes = np.select([ink < np.quantile(ink, 0.2), ink > np.quantile(ink, 0.8)], ["faint", "bold"], "usual")
    with OUT.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["digit", "large", "small", "strokes"])
        writer.writerows(zip(digits.target, before, after, strokes, strict=True))


if __name__ == "__main__":
    main()
