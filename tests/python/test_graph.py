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


def run_on(folder, ranks=1, flags=(), **options):
    """Standard output, standard error and result of a run on folder/input.h5ad."""
    (folder / "run.yaml").write_text("{}\n")
    settings = SMALL | {"input.path": folder / "input.h5ad", "output": folder / "run"} | options
    done = run(PROGRAM, "run", folder / "run.yaml", *[f"--set={key}={value}" for key, value in settings.items()],
               *flags, ranks=ranks)
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


def hexagonal(n_rows, n_columns, spacing):
    row, column = np.divmod(np.arange(n_rows * n_columns), n_columns)
    return spacing * np.column_stack([column + 0.5 * (row % 2), row * np.sqrt(0.75)])


def test_each_section_has_a_radius_of_its_own(tmp_path):
    fine, coarse = hexagonal(9, 8, 100), hexagonal(8, 7, 210)
    sections = ["fine"] * len(fine) + ["coarse"] * len(coarse)
    input_file(tmp_path / "input.h5ad", np.concatenate([fine, coarse]), sections)

    output, errors, result = run_on(tmp_path, ranks=2, **{"input.batch_key": "sample"})

    params = result.uns["spatial_neighbors"]["params"]
    radius = dict(zip(params["sections"], params["radius"], strict=True))
    assert set(radius) == {"fine", "coarse"} and "n_neighbors" not in params
    for name, spacing in (("fine", 100), ("coarse", 210)):
        assert spacing < radius[name] < spacing * np.sqrt(3)
        own = result[result.obs["sample"] == name]
        degree = own.obsp["spatial_connectivities"].sum(axis=1)
        assert degree.max() == 6 and degree.min() >= 2 and degree.mean() > 4.5
    assert f"radius {min(radius.values()):.6g} to {max(radius.values()):.6g}: " in output
    assert "isolated in" not in errors
    log = (tmp_path / "run/run.log").read_text()
    assert f"section 'coarse': radius {radius['coarse']:.6g}: " in log


def test_a_section_of_isolated_spots_is_named(tmp_path):
    fine, coarse = hexagonal(9, 8, 100), hexagonal(8, 7, 210)
    sections = ["fine"] * len(fine) + ["coarse"] * len(coarse)
    input_file(tmp_path / "input.h5ad", np.concatenate([fine, coarse]), sections)

    _, errors, result = run_on(tmp_path, **{"input.batch_key": "sample", "prepare.rad_cutoff": 150})

    assert "section 'coarse': 56 of 56 spots are isolated" in errors
    assert "section 'fine'" not in errors
    np.testing.assert_array_equal(result.uns["spatial_neighbors"]["params"]["radius"], [150, 150])


def test_a_mean_number_of_neighbors_out_of_bounds_is_named(tmp_path):
    input_file(tmp_path / "input.h5ad", hexagonal(12, 12, 100))
    _, errors, _ = run_on(tmp_path, **{"prepare.rad_cutoff": 305})
    assert "section 'section': a spot has" in errors and "about 6 are usual" in errors
    _, errors, result = run_on(tmp_path, flags=["--overwrite"], **{"prepare.k_cutoff": 18})
    assert "about 6 are usual" not in errors  # so many were asked for
    assert result.uns["spatial_neighbors"]["params"] == {"coord_type": "generic", "n_neighbors": 18}


def test_uneven_density_gets_the_six_nearest(tmp_path):
    rng = np.random.default_rng(3)
    positions = np.concatenate([rng.random((200, 2)) * 5, rng.random((100, 2)) * 100])
    input_file(tmp_path / "input.h5ad", positions)

    output, errors, result = run_on(tmp_path)

    assert "6 nearest: 6.0 neighbors a spot (6 to 6)" in output and "no radius fits" in output
    assert "isolated in" not in errors
    np.testing.assert_array_equal(result.obsp["spatial_connectivities"].sum(axis=1), 6)
    assert result.uns["spatial_neighbors"]["params"] == {"coord_type": "generic", "n_neighbors": 6}
