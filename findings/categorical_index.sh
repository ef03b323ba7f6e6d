#!/usr/bin/env bash
# categorical_index: anndata writes and reads a categorical index of obs, on which obs_names_make_unique then fails.
#
# Versions: anndata==0.12.19 scipy==1.17.1 numpy==2.4.6 pandas==2.3.3 h5py==3.16.0, Python 3.11
# Expected: an index of texts after reading, for obs_names are texts by anndata's documentation; or a refusal when writing.
# Seen:     a CategoricalIndex before and after; concat of two sections keeps it, and obs_names_make_unique() raises
#           "TypeError: Cannot setitem on a Categorical with a new category (a-1), set the categories first".
# Here:     a reader of .h5ad meets `obs/_index` as a group with categories and codes.
set -euo pipefail
source "$(dirname "$0")/packages.bash"
packages anndata==0.12.19 scipy==1.17.1 numpy==2.4.6 pandas==2.3.3 h5py==3.16.0

python - << 'END'
import anndata, h5py, numpy as np, pandas as pd

data = anndata.AnnData(np.ones((3, 2), np.float32))
data.obs.index = pd.CategoricalIndex(["a", "b", "c"])
data.write_h5ad("section.h5ad")
with h5py.File("section.h5ad") as file:
    assert isinstance(file["obs/_index"], h5py.Group)
data = anndata.read_h5ad("section.h5ad")
assert isinstance(data.obs_names, pd.CategoricalIndex)
both = anndata.concat([data, data])
assert isinstance(both.obs_names, pd.CategoricalIndex)
try:
    both.obs_names_make_unique()
except TypeError as error:
    assert "Cannot setitem on a Categorical with a new category" in str(error), error
else:
    raise SystemExit("names that are categorical are made unique")
END
