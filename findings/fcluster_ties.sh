#!/usr/bin/env bash
# fcluster_ties: scipy's fcluster with maxclust returns a single cluster where all merges have one height.
#
# Versions: scipy==1.17.1 numpy==2.4.6, Python 3.11
# Expected: as many clusters as asked for, since the tree can be cut into any number of them.
# Seen:     for five points at equal distances fcluster finds 1 cluster for 2, 3 and 4; cut_tree finds 2, 3 and 4.
# Here:     few models make such ties in a consensus matrix; our consensus cuts by merges, and gives the
#           number of domains that was asked for.
set -euo pipefail
source "$(dirname "$0")/packages.bash"
packages scipy==1.17.1 numpy==2.4.6

python - << 'END'
import numpy as np
from scipy.cluster.hierarchy import cut_tree, fcluster, linkage

tree = linkage(np.eye(5), "average")
assert len(np.unique(tree[:, 2])) == 1
assert [len(set(fcluster(tree, k, "maxclust"))) for k in (2, 3, 4)] == [1, 1, 1]
assert [len(np.unique(cut_tree(tree, k))) for k in (2, 3, 4)] == [2, 3, 4]
END
