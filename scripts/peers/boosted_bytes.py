"""LightGBM's trees of about so many bytes when a node takes three and a leaf one.

`boosted_bytes.py FOLDER DATA BYTES ASIDE`: for each setting writes FOLDER/<name>.kept, taught all
rows of the training part but those that the JSON file ASIDE numbers. Prints the names.
`boosted_bytes.py FOLDER DATA BYTES ASIDE NAME`: writes FOLDER/<NAME>.all, taught all rows.
"""

import json
import os
import sys

import lightgbm
import numpy

ROUNDS = (1, 2, 3, 4, 6, 8, 12, 20, 40)
RATES = (0.1, 0.3, 0.6, 1.0)


def settings(size, columns, classes):
    node = 4 if columns > 256 else 3
    for rounds in ROUNDS:
        # A tree of n leaves takes (node + 1) n - node bytes, its numbers two; the file's head, and
        # a base for each class.
        each = (size - 24 - 4 * classes) / (rounds * classes)
        leaves = int((each + node - 2) / (node + 1))
        if leaves >= 2:
            yield from ((rounds, leaves, rate) for rate in RATES)


def main():
    folder, data, size = sys.argv[1], sys.argv[2], int(sys.argv[3])
    read = lambda name: numpy.load(os.path.join(os.environ["DATA"], data, name + ".npy"))
    rows, labels = read("train_rows").astype(float), read("train_labels")
    kept = numpy.full(len(labels), True)
    with open(sys.argv[4]) as file:
        kept[json.load(file)] = False
    asked = sys.argv[5] if len(sys.argv) > 5 else None
    names = []
    for rounds, leaves, rate in settings(size, rows.shape[1], int(labels.max()) + 1):
        name = f"{rounds}-{leaves}-{rate}"
        if asked not in (None, name):
            continue
        chosen, end = (kept, "kept") if asked is None else (kept | True, "all")
        model = lightgbm.LGBMClassifier(
            n_estimators=rounds, num_leaves=leaves, learning_rate=rate,
            min_child_samples=5, n_jobs=1, random_state=1, verbose=-1,
        ).fit(rows[chosen], labels[chosen])
        model.booster_.save_model(os.path.join(folder, f"{name}.{end}"))
        names.append(name)
    print(json.dumps(names))


main()
