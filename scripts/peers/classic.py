"""scikit-learn's classifiers on the proofs' data: what the row prints beside ours.

`classic.py forest`: random forests of 50 trees on letter, by leaves of a tree.
`classic.py linear`: logistic regression, digits 0 to 4 against 5 to 9 of mnist10k.
`classic.py neighbours DATA`: the nearest neighbour, with the bytes of the rows that it keeps.
Prints {name: accuracy on the test part}.
"""

import json
import os
import sys

import numpy
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier


def data(name):
    folder = os.path.join(os.environ["DATA"], name)
    read = lambda what: numpy.load(os.path.join(folder, what + ".npy"))
    rows, test = read("train_rows").astype(float), read("test_rows").astype(float)
    return rows, read("train_labels"), test, read("test_labels")


def forest():
    rows, labels, test, truth = data("letter")
    told = {}
    for leaves in (64, 256, 1024, None):
        model = RandomForestClassifier(50, max_leaf_nodes=leaves, random_state=1, n_jobs=1)
        told[str(leaves or "all")] = model.fit(rows, labels).score(test, truth)
    return told


def linear():
    rows, labels, test, truth = data("mnist10k")
    kept, choosing = numpy.arange(len(rows)) % 5 != 0, numpy.arange(len(rows)) % 5 == 0
    rows, test, labels, truth = rows / 255, test / 255, labels > 4, truth > 4
    model = lambda cost: LogisticRegression(C=cost, max_iter=300)
    costs = (0.003, 0.01, 0.03, 0.1, 0.3)
    score = lambda cost: model(cost).fit(rows[kept], labels[kept]).score(rows[choosing], labels[choosing])
    best = max(costs, key=score)
    return {"linear": model(best).fit(rows, labels).score(test, truth), "cost": best}


def neighbours():
    rows, labels, test, truth = data(sys.argv[2])
    model = KNeighborsClassifier(1).fit(rows, labels)
    return {"neighbours": model.score(test, truth), "bytes": rows.size + len(labels)}


if __name__ == "__main__":
    print(json.dumps({"forest": forest, "linear": linear, "neighbours": neighbours}[sys.argv[1]]()))
