"""Boosted trees of others on letter, and a forest of scikit-learn.

`boosted.py FOLDER SEED`: trains each on the training part's bytes, writes FOLDER/<name>.dump as
the program writes its models, and FOLDER/<name>.labels (u16) and .scores (f32) of the test part.
Prints {name: {"accuracy": …, "outputs": …}}.
"""

import json
import os
import sys

import lightgbm
import numpy
import xgboost
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import dump_sklearn  # noqa: E402


def part(name):
    folder = os.path.join(os.environ["DATA"], "letter")
    read = lambda what: numpy.load(os.path.join(folder, f"{name}_{what}.npy"))
    return read("rows").astype(float), read("labels")


def main():
    folder, seed = sys.argv[1], int(sys.argv[2])
    (rows, labels), (test, truth) = part("train"), part("test")
    two = labels < 2
    told = {}

    def keep(name, model, dump, scores, of):
        with open(os.path.join(folder, name + ".dump"), "wb") as file:
            file.write(dump)
        scores = numpy.asarray(scores, dtype="<f4").reshape(len(of), -1)
        answers = model.predict(of).astype("<u2")
        answers.tofile(os.path.join(folder, name + ".labels"))
        scores.tofile(os.path.join(folder, name + ".scores"))
        right = answers == truth[: len(answers)] if len(of) == len(test) else answers == short
        told[name] = {"accuracy": float(right.mean()), "outputs": scores.shape[1]}

    pair = test[truth < 2]
    short = truth[truth < 2]
    for name, taught, classes, of in [("", rows, labels, test), ("two ", rows[two], labels[two], pair)]:
        model = lightgbm.LGBMClassifier(
            n_estimators=20, num_leaves=16, learning_rate=0.2, random_state=seed, n_jobs=1,
            verbose=-1,
        ).fit(taught, classes)
        text = model.booster_.model_to_string().encode()
        keep(name + "lightgbm", model, text, model.predict(of, raw_score=True), of)
        model = xgboost.XGBClassifier(
            n_estimators=20, max_depth=4, learning_rate=0.3, random_state=seed, n_jobs=1
        ).fit(taught, classes)
        text = bytes(model.get_booster().save_raw("json"))
        keep(name + "xgboost", model, text, model.predict(of, output_margin=True), of)
        model = GradientBoostingClassifier(
            n_estimators=8, max_depth=3, random_state=seed, subsample=0.5
        ).fit(taught, classes)
        text = json.dumps(dump_sklearn.dump(model)).encode()
        keep(name + "scikit-learn", model, text, model.decision_function(of), of)
        model = HistGradientBoostingClassifier(
            max_iter=20, max_leaf_nodes=16, random_state=seed
        ).fit(taught, classes)
        text = json.dumps(dump_sklearn.dump(model)).encode()
        keep(name + "histogram", model, text, model.decision_function(of), of)
    print(json.dumps(told))


main()
