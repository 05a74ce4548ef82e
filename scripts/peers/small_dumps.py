"""Writes the small dumps that tests import, with what their programs answer.

`small_dumps.py tiny/tests/dumps`: for each model <name>.dump and <name>.csv, whose lines are
four bytes, the class, and the raw scores. Run by hand when a format changes.
"""

import json
import os
import sys

import lightgbm
import numpy
import xgboost
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import dump_sklearn  # noqa: E402

ROWS, COLUMNS, SHOWN = 400, 4, 60


def data(classes):
    random = numpy.random.default_rng(classes)
    labels = random.integers(0, classes, ROWS)
    centres = random.uniform(60, 190, (classes, COLUMNS))
    rows = centres[labels] + random.normal(0, 35, (ROWS, COLUMNS))
    return rows.clip(0, 255).round(), labels


def main():
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)

    def keep(name, dump, rows, answers, scores):
        with open(os.path.join(folder, name + ".dump"), "w") as file:
            file.write(dump.rstrip("\n") + "\n")
        with open(os.path.join(folder, name + ".csv"), "w") as file:
            scores = numpy.asarray(scores).reshape(len(rows), -1)
            for row, answer, raw in list(zip(rows, answers, scores))[:SHOWN]:
                fields = [int(number) for number in row] + [int(answer)]
                file.write(",".join(map(str, fields + [f"{score:.7g}" for score in raw])) + "\n")

    for count, classes in [("two", 2), ("three", 3)]:
        rows, labels = data(classes)
        model = lightgbm.LGBMClassifier(
            n_estimators=3, num_leaves=5, learning_rate=0.3, n_jobs=1, verbose=-1
        ).fit(rows, labels)
        text, _, _ = model.booster_.model_to_string().partition("\nfeature_importances")
        raw = model.predict(rows, raw_score=True)
        keep(f"lightgbm_{count}", text, rows, model.predict(rows), raw)
        model = xgboost.XGBClassifier(n_estimators=3, max_depth=2, n_jobs=1).fit(rows, labels)
        text = model.get_booster().save_raw("json").decode()
        raw = model.predict(rows, output_margin=True)
        keep(f"xgboost_{count}", text, rows, model.predict(rows), raw)
        others = {
            "gradient": GradientBoostingClassifier(n_estimators=3, max_depth=2, random_state=1),
            "histogram": HistGradientBoostingClassifier(max_iter=3, max_leaf_nodes=5),
            "forest": RandomForestClassifier(3, max_leaf_nodes=6, random_state=1),
        }
        for name, model in others.items():
            model.fit(rows, labels)
            scores = getattr(model, "decision_function", None) or model.predict_proba
            text = json.dumps(dump_sklearn.dump(model))
            keep(f"{name}_{count}", text, rows, model.predict(rows), scores(rows))


main()
