"""A scikit-learn forest for satellite, in emlearn's C and as the dump that noroshi imports.

`emlearn_forest.py FOLDER SEED TREES LEAVES`: writes FOLDER/forest.dump, inline.h and loadable.h.
Prints {"accuracy": …, "version": …, "include": emlearn's folder of headers}.

emlearn asks `x < int(threshold)` where scikit-learn asks `x <= threshold`. Its forest gets the
whole number above each threshold, for which both say the same of whole numbers.
"""

import json
import os
import sys

import emlearn
import numpy
from sklearn.ensemble import RandomForestClassifier

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import dump_sklearn  # noqa: E402


def main():
    folder, seed, trees, leaves = sys.argv[1], *map(int, sys.argv[2:5])
    data = os.path.join(os.environ["DATA"], "satellite")
    read = lambda name: numpy.load(os.path.join(data, name + ".npy"))
    forest = RandomForestClassifier(trees, max_leaf_nodes=leaves, random_state=seed, n_jobs=1)
    forest.fit(read("train_rows").astype(float), read("train_labels"))
    accuracy = forest.score(read("test_rows").astype(float), read("test_labels"))
    with open(os.path.join(folder, "forest.dump"), "w") as file:
        json.dump(dump_sklearn.dump(forest), file)
    for tree in forest.estimators_:
        inner = tree.tree_.children_left >= 0
        tree.tree_.threshold[inner] = numpy.floor(tree.tree_.threshold[inner]) + 1
        assert (tree.tree_.threshold[inner] % 1 == 0).all(), "the thresholds stayed as they were"
    for method, kind in [("inline", "uint8_t"), ("loadable", "int16_t")]:
        model = emlearn.convert(forest, method=method, dtype=kind)
        model.save(
            file=os.path.join(folder, method + ".h"), name="peer", include_proba=False
        )
    print(json.dumps({
        "accuracy": accuracy,
        "version": emlearn.__version__ if hasattr(emlearn, "__version__") else "",
        "include": os.path.dirname(emlearn.__file__),
    }))


main()
