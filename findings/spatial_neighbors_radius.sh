#!/usr/bin/env bash
# spatial_neighbors_radius: squidpy's spatial_neighbors ignores n_neighs where a radius is given, without a word.
#
# Versions: squidpy==1.8.2 scanpy==1.11.5 anndata==0.12.19 numpy==2.4.6 scipy==1.17.1 pandas==2.3.3, Python 3.11
# Expected: at most n_neighs neighbors within the radius, or a message that one of the two does not count.
# Seen:     radius=2.5 gives the same graph with n_neighs=1 and without, four neighbors for a spot inside of a row; with
#           n_neighs alone each row sums to it, and columns do not: the graph is not symmetric.
# Here:     prepare.max_neighbors bounds the neighbors within prepare.rad_cutoff, so graphs differ where it does.
set -euo pipefail
source "$(dirname "$0")/packages.bash"
packages squidpy==1.8.2 scanpy==1.11.5 anndata==0.12.19 numpy==2.4.6 scipy==1.17.1 pandas==2.3.3

python - << 'END'
import anndata, numpy as np, squidpy

data = anndata.AnnData(np.ones((8, 2), np.float32))
data.obsm["spatial"] = np.array([[x, 0.0] for x in range(7)] + [[20.0, 0.0]])


def degrees(**how):
    squidpy.gr.spatial_neighbors(data, coord_type="generic", **how)
    graph = data.obsp["spatial_connectivities"].toarray()
    return graph.sum(axis=1).tolist(), graph.sum(axis=0).tolist()


within = degrees(radius=2.5)
assert within[0] == within[1] == [2, 3, 4, 4, 4, 3, 2, 0], within
assert degrees(radius=2.5, n_neighs=1) == within
rows, columns = degrees(n_neighs=2)
assert rows == [2] * 8 and columns != rows
END
