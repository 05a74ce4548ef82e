"""Answers of river's online models, and of a scikit-learn forest that stands still, to one stream.

Arguments: friedman or satellite; a file of 32-bit floats, a sample's features and then its label;
how many features. Prints one JSON object: friedman, the error of each third's last 2,000 samples;
satellite, how many samples after the middle a window of 100 has an accuracy of .75 again.
"""

import json
import sys

import numpy
from river import forest, linear_model, optim, preprocessing, tree
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

LAST = 2000
WINDOW = 100
ACCURACY = 0.75


def said_by(model, rows, labels):
    """The model's answer to each sample before it learned that sample."""
    said = []
    for row, label in zip(rows, labels):
        sample = dict(enumerate(row))
        said.append(model.predict_one(sample))
        model.learn_one(sample, label)
    return said


def errors(said, labels):
    third = len(labels) // 3
    ends = [third, 2 * third, 3 * third]
    wrong = (numpy.array(said, float) - labels) ** 2
    return [float(wrong[end - LAST : end].mean() ** 0.5) for end in ends]


def back(said, labels):
    right = numpy.array([one == label for one, label in zip(said, labels)], float)
    half = len(labels) // 2
    for end in range(half + WINDOW, len(labels) + 1):
        if right[end - WINDOW : end].mean() >= ACCURACY:
            return {"back": end - half}
    return {"back": len(labels)}


def friedman(rows, labels):
    third = len(labels) // 3
    still = RandomForestRegressor(100, random_state=1).fit(rows[: third - LAST], labels[: third - LAST])
    scaled = preprocessing.StandardScaler()
    line = scaled | linear_model.LinearRegression(optimizer=optim.SGD(0.01), intercept_lr=0.01)
    lists, targets = rows.tolist(), labels.tolist()
    return {
        "adaptive tree": errors(said_by(tree.HoeffdingAdaptiveTreeRegressor(seed=1), lists, targets), labels),
        "linear": errors(said_by(line, lists, targets), labels),
        "static forest": errors(still.predict(rows), labels),
    }


def satellite(rows, labels):
    half = len(labels) // 2
    labels = labels.astype(int)
    still = RandomForestClassifier(100, random_state=1).fit(rows[:half], labels[:half])
    line = preprocessing.StandardScaler() | linear_model.SoftmaxRegression(optimizer=optim.SGD(0.01))
    models = {
        "adaptive tree": tree.HoeffdingAdaptiveTreeClassifier(seed=1),
        "adaptive forest": forest.ARFClassifier(n_models=10, seed=1),
        "linear": line,
    }
    lists, targets = rows.tolist(), labels.tolist()
    answers = {name: back(said_by(model, lists, targets), targets) for name, model in models.items()}
    answers["static forest"] = back(still.predict(rows).tolist(), targets)
    return answers


def main():
    task, path, features = sys.argv[1], sys.argv[2], int(sys.argv[3])
    samples = numpy.fromfile(path, numpy.float32).reshape(-1, features + 1)
    rows, labels = samples[:, :-1].astype(float), samples[:, -1].astype(float)
    print(json.dumps({"friedman": friedman, "satellite": satellite}[task](rows, labels)))


main()
