"""scikit-learn's isolation forest on shuttle: taught the normal rows, judged on the test part.

Prints {"auc": …} for the seed that is the argument.
"""

import json
import os
import sys

import numpy
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score

NORMAL = 0


def main():
    folder = os.path.join(os.environ["DATA"], "shuttle")
    read = lambda name: numpy.load(os.path.join(folder, name + ".npy"))
    rows, labels = read("train_rows").astype(float), read("train_labels")
    model = IsolationForest(random_state=int(sys.argv[1])).fit(rows[labels == NORMAL])
    scores = -model.score_samples(read("test_rows").astype(float))
    print(json.dumps({"auc": roc_auc_score(read("test_labels") != NORMAL, scores)}))


main()
