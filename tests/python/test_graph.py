"""The spatial graph of a whole run, beside squidpy's."""

import anndata
import numpy as np
import pytest
import scipy.sparse
import squidpy as sq
from support import PROGRAMS, run

PROGRAM = PROGRAMS.parent / "stamarker"
SMALL = {"domains": 2, "models": 1, "prepare.min_cells": 2, "autoencoder.hidden_dims": [8, 4], "autoencoder.epochs": 2,
         "clustering.n_init": 1, "classifier.epochs": 2, "compute.threads": 1}


def input_file(path, positions, sections=None):
    """Twenty genes of counts on spots at these positions."""
    counts = np.random.default_rng(0).poisson(2.0, (len(positions), 20)).astype(np.float32)
    data = anndata.AnnData(scipy.sparse.csr_matrix(counts), obsm={"spatial": np.asarray(positions, float)})
    data.obs_names = [f"spot{i}" for i in range(data.n_obs)]
    data.var_names = [f"gene{g}" for g in range(data.n_vars)]
    if sections is not None:
        data.obs["sample"] = sections
    data.write_h5ad(path)


def run_on(folder, ranks=1, **options):
    """Standard output, standard error and result of a run on folder/input.h5ad."""
    (folder / "run.yaml").write_text("{}\n")
    settings = SMALL | {"input.path": folder / "input.h5ad", "output": folder / "run"} | options
    done = run(PROGRAM, "run", folder / "run.yaml", *[f"--set={key}={value}" for key, value in settings.items()],
               ranks=ranks)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout, done.stderr, anndata.read_h5ad(folder / "run/result.h5ad")


@pytest.mark.parametrize("ranks", [1, 3])
def test_rows_of_nearest_neighbors_sum_to_k_as_squidpys_do(tmp_path, ranks):
    k = 5
    input_file(tmp_path / "input.h5ad", np.random.default_rng(1).random((90, 2)))
    output, _, result = run_on(tmp_path, ranks, **{"prepare.k_cutoff": k})
    theirs = result.copy()
    sq.gr.spatial_neighbors(theirs, n_neighs=k, coord_type="generic")

    ours = result.obsp["spatial_connectivities"]
    assert (ours != ours.T).nnz > 0
    np.testing.assert_array_equal(ours.sum(axis=1), k)
    np.testing.assert_array_equal(ours.toarray(), theirs.obsp["spatial_connectivities"].toarray())
    np.testing.assert_allclose(result.obsp["spatial_distances"].toarray(),
                               theirs.obsp["spatial_distances"].toarray(), rtol=1e-6)
    assert f"{k} nearest: {k}.0 neighbors a spot ({k} to {k})" in output


def test_rows_of_a_cut_radius_hold_the_nearest_within_it(tmp_path):
    most, radius = 3, 0.3
    input_file(tmp_path / "input.h5ad", np.random.default_rng(2).random((80, 2)))
    _, _, result = run_on(tmp_path, **{"prepare.rad_cutoff": radius, "prepare.max_neighbors": most})

    distance = np.linalg.norm(result.obsm["spatial"][:, None] - result.obsm["spatial"], axis=2)
    np.fill_diagonal(distance, np.inf)
    for ours, theirs in zip(result.obsp["spatial_distances"].toarray(), distance, strict=True):
        nearest = np.argsort(theirs)[:most]
        np.testing.assert_array_equal(np.flatnonzero(ours), np.sort(nearest[theirs[nearest] < radius]))
