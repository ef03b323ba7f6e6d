#!/usr/bin/env bash
# log1p_none: after sc.pp.log1p, anndata 0.12 writes files that anndata 0.11 cannot read at all.
#
# Versions: anndata==0.12.19 scanpy==1.11.5 to write, anndata==0.11.4 to read; numpy==2.4.6 scipy==1.17.1 pandas==2.3.3
#           h5py==3.16.0, Python 3.11
# Expected: the older one leaves uns["log1p"]["base"] out, as it did when it wrote None itself.
# Seen:     read_h5ad raises "IORegistryError: No read method registered for IOSpec(encoding_type='null',
#           encoding_version='0.1.0')": log1p stores base = None, and 0.12 writes None as an element of its own.
# Here:     `uns` of an input may hold an element of type `null`.
set -euo pipefail
source "$(dirname "$0")/packages.bash"
common=(numpy==2.4.6 scipy==1.17.1 pandas==2.3.3 h5py==3.16.0)

packages anndata==0.12.19 scanpy==1.11.5 "${common[@]}"
python - << 'END'
import anndata, numpy as np, scanpy

data = anndata.AnnData(np.ones((3, 2), np.float32))
scanpy.pp.log1p(data)
data.write_h5ad("section.h5ad")
assert anndata.read_h5ad("section.h5ad").uns["log1p"] == {"base": None}
END

packages anndata==0.11.4 "${common[@]}"
python - << 'END'
import anndata

try:
    anndata.read_h5ad("section.h5ad")
except Exception as error:
    assert "No read method registered for IOSpec(encoding_type='null'" in str(error), error
else:
    raise SystemExit("anndata 0.11 reads what 0.12 writes after log1p")
END
