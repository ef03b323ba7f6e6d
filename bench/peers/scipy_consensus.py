"""The public consensus in scipy: the N x N co-association matrix and average linkage of its rows.

  scipy_consensus.py SECTION.h5 --spots 3000
"""
import argparse

import numpy
import scipy.cluster.hierarchy
import scipy.spatial.distance

import section as common


def consensus(labels, n_domains):
    """Domain of each spot from labels [n_models, n_spots]."""
    n_models, n_spots = labels.shape
    together = numpy.zeros((n_spots, n_spots))
    for of_model in labels:
        together += of_model[:, None] == of_model[None, :]
    together /= n_models
    tree = scipy.cluster.hierarchy.linkage(together, method="average")
    return scipy.cluster.hierarchy.fcluster(tree, n_domains, criterion="maxclust")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("section")
    parser.add_argument("--spots", type=int, help="only the first so many")
    parser.add_argument("--threads", type=int, default=1, help="scipy's linkage has one")
    arguments = parser.parse_args()
    read = common.read_section(arguments.section)
    labels = read["consensus/labels"][:, :arguments.spots]
    found = []
    time = common.timed(lambda _: found.append(
        consensus(labels, int(read["consensus/n_domains"]))), 1)
    common.report(**time, n_spots=labels.shape[1], domain_sizes=sorted(
        numpy.bincount(found[0])[1:].tolist(), reverse=True))


if __name__ == "__main__":
    main()
