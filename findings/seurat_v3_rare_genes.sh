#!/usr/bin/env bash
# seurat_v3_rare_genes: scanpy's seurat_v3 fails where many genes are seen once, in one spot.
#
# Versions: scanpy==1.11.5 scikit-misc==0.5.3 anndata==0.12.19 numpy==2.4.6 scipy==1.17.1 pandas==2.3.3, Python 3.11
# Expected: ten genes, with a warning at most: the counts are valid, and such genes are common in small sections.
# Seen:     "ValueError: b'svddc failed in l2fit.'", from the loess of scikit-misc: half of the genes have one and the same
#           mean and variance, so that a local fit has a single point. Without those genes it works.
# Here:     prepare.min_cells drops such genes first.
set -euo pipefail
source "$(dirname "$0")/packages.bash"
packages scanpy==1.11.5 scikit-misc==0.5.3 anndata==0.12.19 numpy==2.4.6 scipy==1.17.1 pandas==2.3.3

python - << 'END'
import anndata, numpy as np, scanpy

rng = np.random.default_rng(0)
counts = np.zeros((100, 200), np.float32)
counts[rng.integers(0, 100, 200), np.arange(200)] = 1
counts[:, :100] = rng.poisson(1, (100, 100))


def n_selected(counts):
    data = anndata.AnnData(counts.copy())
    scanpy.pp.highly_variable_genes(data, flavor="seurat_v3", n_top_genes=10)
    return data.var["highly_variable"].sum()


assert n_selected(counts[:, :100]) == 10
try:
    n_selected(counts)
except ValueError as error:
    assert "svddc failed in l2fit" in str(error), error
else:
    raise SystemExit("seurat_v3 takes genes that are seen once")
END
