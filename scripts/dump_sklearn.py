"""Writes scikit-learn's trees as JSON that noroshi imports.

`dump_sklearn.py MODEL.joblib > model.json`, or `dump(estimator)` from a program. A pickle is a
program: open only your own. Decision trees, random forests, extra trees, gradient boosting and
histogram gradient boosting for classes are known; one output each, and no categories.
"""

import json
import sys


class DumpError(Exception):
    """What the text says is not possible."""


def tree_of_arrays(tree, values, output=0):
    leaf = tree.children_left < 0
    return {
        "output": output,
        "column": [-1 if end else int(column) for end, column in zip(leaf, tree.feature)],
        "threshold": [0.0 if end else float(limit) for end, limit in zip(leaf, tree.threshold)],
        "left": tree.children_left.tolist(),
        "right": tree.children_right.tolist(),
        "value": values,
    }


def forest(estimator):
    members = getattr(estimator, "estimators_", [estimator])
    if estimator.n_outputs_ != 1:
        raise DumpError("one output is possible")
    return {
        "kind": "forest",
        "columns": int(estimator.n_features_in_),
        "classes": len(estimator.classes_),
        "trees": [tree_of_arrays(one.tree_, one.tree_.value[:, 0, :].tolist()) for one in members],
    }


def gradient_boosting(estimator):
    import numpy

    row = numpy.zeros((1, estimator.n_features_in_))
    if estimator.init_ == "zero":
        base = numpy.zeros(estimator.n_trees_per_iteration_)
    else:
        # With the usual first estimate, which no column changes, every row has the same.
        if type(estimator.init_).__name__ != "DummyClassifier":
            raise DumpError("an init of its own can't be taken over")
        base = estimator._raw_predict_init(row)[0]
    trees = []
    for members in estimator.estimators_:
        for output, member in enumerate(members):
            values = member.tree_.value[:, 0, :] * estimator.learning_rate
            trees.append(tree_of_arrays(member.tree_, values.tolist(), output))
    return boosted(estimator, base, trees)


def histogram_boosting(estimator):
    trees = []
    for members in estimator._predictors:
        for output, member in enumerate(members):
            nodes = member.nodes
            if nodes["is_categorical"].any():
                raise DumpError("splits by categories: encode them as numbers before")
            leaf = nodes["is_leaf"].astype(bool)
            trees.append({
                "output": output,
                "column": [-1 if end else int(c) for end, c in zip(leaf, nodes["feature_idx"])],
                "threshold": [
                    0.0 if end else float(limit) for end, limit in zip(leaf, nodes["num_threshold"])
                ],
                "left": nodes["left"].tolist(),
                "right": nodes["right"].tolist(),
                "value": [[float(value)] for value in nodes["value"]],
            })
    return boosted(estimator, estimator._baseline_prediction.ravel(), trees)


def boosted(estimator, base, trees):
    return {
        "kind": "boosted",
        "columns": int(estimator.n_features_in_),
        "classes": len(estimator.classes_),
        "base": [float(number) for number in base],
        "trees": trees,
    }


KINDS = {
    "DecisionTreeClassifier": forest,
    "ExtraTreeClassifier": forest,
    "RandomForestClassifier": forest,
    "ExtraTreesClassifier": forest,
    "GradientBoostingClassifier": gradient_boosting,
    "HistGradientBoostingClassifier": histogram_boosting,
}


def dump(estimator):
    """What noroshi imports, as numbers, lists and dictionaries."""
    kind = type(estimator).__name__
    if kind not in KINDS:
        raise DumpError(f"{kind} is not known; known: {', '.join(KINDS)}")
    return KINDS[kind](estimator)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    import joblib

    try:
        json.dump(dump(joblib.load(sys.argv[1])), sys.stdout)
    except DumpError as error:
        sys.exit(f"dump_sklearn: {error}")


if __name__ == "__main__":
    main()
