"""LightGBM's trees of about so many bytes when a node takes three and a leaf one.

`boosted_bytes.py FOLDER DATA BYTES EVERY`: for each setting writes FOLDER/<name>.kept, taught all
rows of the training part but each EVERY-th, and <name>.all, taught all. Prints the names.
"""

import json
import os
import sys

import lightgbm
import numpy

ROUNDS = (1, 2, 3, 4, 6, 8, 12, 20, 40)
RATES = (0.1, 0.3, 0.6, 1.0)


def main():
    folder, data, size, every = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    read = lambda name: numpy.load(os.path.join(os.environ["DATA"], data, name + ".npy"))
    rows, labels = read("train_rows").astype(float), read("train_labels")
    kept = numpy.arange(len(labels)) % every != 0
    classes = int(labels.max()) + 1
    names = []
    for rounds in ROUNDS:
        # A tree of n leaves takes 4 n - 1 bytes; the file's head, and a base for each class.
        each = (size - 24 - 4 * classes) / (rounds * classes)
        leaves = int((each + 1) / 4)
        if leaves < 2:
            continue
        for rate in RATES:
            name = f"{rounds}-{leaves}-{rate}"
            for end, chosen in [("kept", kept), ("all", kept | True)]:
                model = lightgbm.LGBMClassifier(
                    n_estimators=rounds, num_leaves=leaves, learning_rate=rate,
                    min_child_samples=5, n_jobs=1, random_state=1, verbose=-1,
                ).fit(rows[chosen], labels[chosen])
                model.booster_.save_model(os.path.join(folder, f"{name}.{end}"))
            names.append(name)
    print(json.dumps(names))


main()
