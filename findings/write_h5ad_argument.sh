#!/usr/bin/env bash
# write_h5ad_argument: AnnData.write_h5ad changes its argument: types of columns, and the file of a backed one.
#
# Versions: anndata==0.12.19 scipy==1.17.1 numpy==2.4.6 pandas==2.3.3 h5py==3.16.0, Python 3.11
# Expected: writing a copy leaves the data as it is.
# Seen:     a column of texts (object) becomes a categorical in memory too; a backed AnnData is backed by the new file from
#           then on, so that deleting that copy takes the data away from it.
# Here:     the Python package writes an AnnData of its own, which shares the arrays of the caller's.
set -euo pipefail
source "$(dirname "$0")/packages.bash"
packages anndata==0.12.19 scipy==1.17.1 numpy==2.4.6 pandas==2.3.3 h5py==3.16.0

python - << 'END'
import anndata, numpy as np, pandas as pd

data = anndata.AnnData(np.ones((4, 2), np.float32), obs=pd.DataFrame({"section": list("xyxy")}, index=list("abcd")))
assert data.obs["section"].dtype == object
data.write_h5ad("section.h5ad")
assert data.obs["section"].dtype == "category"

backed = anndata.read_h5ad("section.h5ad", backed="r")
backed.write_h5ad("copy.h5ad")
assert backed.filename.name == "copy.h5ad"
END
