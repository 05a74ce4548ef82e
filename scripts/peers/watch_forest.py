"""scikit-learn's forest on the watch's features, each person judged by a forest of the others.

`watch_forest.py FEATURES COLUMNS TREES`: rows of COLUMNS features, a label and a person, each a
number of 16 bits. Prints {"people": a list for each of the seeds 1 to 5, of the share of right
answers for each person}.
"""

import json
import sys

import numpy
from sklearn.ensemble import RandomForestClassifier


def main():
    columns, trees = int(sys.argv[2]), int(sys.argv[3])
    table = numpy.fromfile(sys.argv[1], "<i2").reshape(-1, columns + 2)
    rows, labels, people = table[:, :columns].astype(float), table[:, columns], table[:, columns + 1]
    told = []
    for seed in range(1, 6):
        rates = []
        for person in sorted(set(people.tolist())):
            out = people == person
            forest = RandomForestClassifier(trees, random_state=seed, n_jobs=1)
            rates.append(forest.fit(rows[~out], labels[~out]).score(rows[out], labels[out]))
        told.append(rates)
    print(json.dumps({"people": told}))


if __name__ == "__main__":
    main()
