#!/usr/bin/env bash
# spatial_neighbors_uns: an empty uns["spatial"] gives squidpy's spatial_neighbors another graph of the same coordinates.
#
# Versions: squidpy==1.8.2 scanpy==1.11.5 anndata==0.12.19 numpy==2.4.6 scipy==1.17.1 pandas==2.3.3, Python 3.11
# Expected: the graph follows from coordinates and arguments.
# Seen:     without uns["spatial"] each of 144 spots of a hexagonal lattice has 6 neighbors, across the gaps of the margin,
#           at distances of 100 and more. With uns["spatial"] = {}, the mark of a Visium section, coord_type becomes
#           "grid": 5.35 neighbors on average, and all of spatial_distances are 1.
# Here:     we write distances in the unit of the coordinates, and uns["spatial"] of the input changes nothing.
set -euo pipefail
source "$(dirname "$0")/packages.bash"
packages squidpy==1.8.2 scanpy==1.11.5 anndata==0.12.19 numpy==2.4.6 scipy==1.17.1 pandas==2.3.3

python - << 'END'
import anndata, numpy as np, squidpy

data = anndata.AnnData(np.ones((144, 2), np.float32))
data.obsm["spatial"] = 100 * np.array([(x + y % 2 / 2, y * 3**0.5 / 2) for y in range(12) for x in range(12)])
squidpy.gr.spatial_neighbors(data)
assert data.uns["spatial_neighbors"]["params"]["coord_type"] == "generic"
assert (data.obsp["spatial_connectivities"].sum(axis=1) == 6).all()
assert data.obsp["spatial_distances"].data.min() > 99

data.uns["spatial"] = {}
squidpy.gr.spatial_neighbors(data)
assert data.uns["spatial_neighbors"]["params"]["coord_type"] == "grid"
assert data.obsp["spatial_connectivities"].nnz == 770
assert set(data.obsp["spatial_distances"].data) == {1.0}
END
