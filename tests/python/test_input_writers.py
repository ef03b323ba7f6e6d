"""Files as the newest writers leave them, and as other programs hold them."""

import fcntl

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
from support import PROGRAMS, assert_same_frame, dense, dump, refusal, run, section


def test_reads_a_file_that_another_program_has_locked(tmp_path):
    data = section()
    data.write_h5ad(tmp_path / "in.h5ad")
    with open(tmp_path / "in.h5ad") as held:
        fcntl.flock(held, fcntl.LOCK_EX)

        mine, _ = dump(tmp_path / "in.h5ad", tmp_path)

    assert_same_frame(mine.obs, data.obs)


def test_says_that_a_file_is_locked_where_locks_are_asked_for(tmp_path, monkeypatch):
    section().write_h5ad(tmp_path / "in.h5ad")
    monkeypatch.setenv("HDF5_USE_FILE_LOCKING", "TRUE")
    with open(tmp_path / "in.h5ad") as held:
        fcntl.flock(held, fcntl.LOCK_EX)

        message = refusal(tmp_path / "in.h5ad", tmp_path)

    assert "in.h5ad is locked" in message and "HDF5_USE_FILE_LOCKING=FALSE" in message
    assert "damaged" not in message


def test_says_that_a_writer_left_its_mark_in_a_file(tmp_path):
    with h5py.File(tmp_path / "in.h5ad", "w", libver="latest") as file:
        file.swmr_mode = True
        file.flush()
        (tmp_path / "left.h5ad").write_bytes((tmp_path / "in.h5ad").read_bytes())

    message = refusal(tmp_path / "left.h5ad", tmp_path)

    assert "left.h5ad is open for writing" in message and "h5clear -s" in message
    assert "damaged" not in message


@pytest.mark.parametrize("version", ["v112", "v114", "latest"])
def test_reads_a_newer_hdf5_format_or_says_what_to_do(tmp_path, version):
    data = section()
    with h5py.File(tmp_path / "in.h5ad", "w", libver=(version, version)) as file:
        for name in ("X", "obs", "var"):
            anndata.io.write_elem(file, name, getattr(data, name))
        anndata.io.write_elem(file, "obsm", dict(data.obsm))

    done = run("dump_dataset", tmp_path / "in.h5ad", tmp_path / "dumped.h5ad")

    if done.returncode == 0:  # built with an HDF5 that knows it
        np.testing.assert_array_equal(dense(anndata.read_h5ad(tmp_path / "dumped.h5ad").X), dense(data.X))
        return
    assert done.returncode == 2
    assert "in.h5ad: obs/flag" in done.stdout and "newer HDF5 format" in done.stdout
    assert 'libver="earliest"' in done.stdout and "docs/development.md" in done.stdout


def test_says_that_the_format_of_a_file_is_newer_than_hdf5(tmp_path):
    with h5py.File(tmp_path / "in.h5ad", "w", libver="v110"):
        pass
    content = bytearray((tmp_path / "in.h5ad").read_bytes())
    content[8] = 15  # the superblock's version
    (tmp_path / "in.h5ad").write_bytes(content)

    message = refusal(tmp_path / "in.h5ad", tmp_path)

    assert "in.h5ad cannot be opened" in message and "newer HDF5 format" in message


@pytest.mark.parametrize("number, name", [(32015, "zstd (32015)"), (32001, "blosc (32001)"), (32511, "lzf (32511)")])
def test_names_a_filter_that_hdf5_has_not_as_the_registry_does(tmp_path, number, name):
    path = tmp_path / "in.h5ad"
    section().write_h5ad(path, compression="lzf")
    # The filter's number, 32000, and how long its name is; now that of another one.
    path.write_bytes(path.read_bytes().replace(b"\x00\x7d\x08\x00", number.to_bytes(2, "little") + b"\x08\x00"))

    message = refusal(path, tmp_path)

    assert f"filter {name}" in message and "HDF5_PLUGIN_PATH" in message


def test_reads_categories_as_the_index_of_obs(tmp_path):
    data = section()
    data.obs["name"] = pd.Categorical(data.obs_names)
    data.write_h5ad(tmp_path / "in.h5ad")
    with h5py.File(tmp_path / "in.h5ad", "r+") as file:
        del file["obs/_index"]
        file.move("obs/name", "obs/_index")
        file["obs"].attrs["column-order"] = [c for c in file["obs"].attrs["column-order"] if c != "name"]

    mine, _ = dump(tmp_path / "in.h5ad", tmp_path)

    assert list(mine.obs_names) == list(data.obs_names) == list(anndata.read_h5ad(tmp_path / "in.h5ad").obs_names)
    with h5py.File(tmp_path / "in.h5ad", "r+") as file:
        file["obs/_index/codes"][4] = -1
    assert "obs: row 4 has no name" in refusal(tmp_path / "in.h5ad", tmp_path)


def test_refuses_a_coordinate_without_a_value_and_names_the_spot(tmp_path):
    data = section()
    places = pd.DataFrame({"x": np.arange(data.n_obs), "y": np.arange(data.n_obs)}, index=data.obs_names)
    data.obsm["spatial"] = places.astype("Int64")
    data.write_h5ad(tmp_path / "in.h5ad")
    dump(tmp_path / "in.h5ad", tmp_path)
    data.obsm["spatial"].loc[data.obs_names[7], "y"] = pd.NA
    data.write_h5ad(tmp_path / "in.h5ad")

    message = refusal(tmp_path / "in.h5ad", tmp_path)

    assert "in.h5ad: obsm/spatial/y has no value for spot spot 7 µ" in message


@pytest.mark.parametrize("na_value", ["NA", "NaN"])
def test_keeps_what_stands_for_missing_text(tmp_path, na_value):
    data = section()
    data.write_h5ad(tmp_path / "in.h5ad")
    with h5py.File(tmp_path / "in.h5ad", "r+") as file:
        values = file["obs/note"][()]
        del file["obs/note"]
        group = file.create_group("obs/note")
        group.attrs.update({"encoding-type": "nullable-string-array", "encoding-version": "0.1.0", "na-value": na_value})
        anndata.io.write_elem(group, "values", values.astype(object))
        anndata.io.write_elem(group, "mask", np.arange(len(values)) == 2)

    dump(tmp_path / "in.h5ad", tmp_path)

    with h5py.File(tmp_path / "dumped.h5ad") as file:
        assert file["obs/note"].attrs["na-value"] == na_value
        assert list(np.flatnonzero(file["obs/note/mask"])) == [2]


def fields_of_view(tmp_path, **obsm):
    """Two by two fields of a CosMx section: what a run warns of."""
    data = section(200, 40)
    rng = np.random.default_rng(3)
    data.X = rng.poisson(3, data.shape).astype(np.float32)
    local, field = rng.random((200, 2)) * 100, np.arange(200) % 4
    data.obs["fov"] = pd.Categorical(field + 1)
    everywhere = local + 100 * np.stack([field % 2, field // 2], axis=1)
    for key, values in obsm.items():
        data.obsm[key] = everywhere if values == "everywhere" else local
    data.write_h5ad(tmp_path / "in.h5ad")
    done = run(PROGRAMS.parent / "stamarker", "prepare", config(tmp_path), "--overwrite")
    assert done.returncode == 0, done.stderr
    return [line for line in done.stderr.splitlines() if "fields of view" in line]


def config(tmp_path):
    (tmp_path / "run.yaml").write_text(f"input: {{path: {tmp_path}/in.h5ad}}\noutput: {tmp_path}/run\ndomains: 3\n"
                                       "prepare: {n_top_genes: 30}\ncompute: {threads: 1}\n")
    return tmp_path / "run.yaml"


def test_warns_of_coordinates_local_to_the_field_of_view(tmp_path):
    assert fields_of_view(tmp_path, spatial="everywhere", spatial_local="local") == []
    with_others = fields_of_view(tmp_path, spatial="local", spatial_fov="everywhere")
    alone = fields_of_view(tmp_path, spatial="local")

    assert len(with_others) == len(alone) == 1
    assert "obsm/spatial lays" in with_others[0] and "input.spatial_key: spatial_fov" in with_others[0]
    assert "obs/fov" in alone[0] and "input.batch_key: fov" in alone[0]


def test_warns_of_text_that_is_not_utf8_and_repairs_it(tmp_path):
    data = section(200, 40)
    data.X = np.random.default_rng(3).poisson(3, data.shape).astype(np.float32)
    data.uns["note"] = "x"
    data.write_h5ad(tmp_path / "in.h5ad")
    with h5py.File(tmp_path / "in.h5ad", "r+") as file:
        names = file["obs/note"][()]
        names[3] = b"caf\xe9"
        file["obs/note"][...] = names
        file["uns/note"][()] = b"na\xefve"

    done = run("write_sample_result", tmp_path / "in.h5ad", tmp_path / "result.h5ad")
    prepared = run(PROGRAMS.parent / "stamarker", "prepare", config(tmp_path))

    result = anndata.read_h5ad(tmp_path / "result.h5ad")
    assert result.obs["note"].iloc[2] == "caf\ufffd"
    assert "note" not in result.uns and "left out: uns/note" in done.stdout and "not UTF-8" in done.stdout
    assert "obs/note holds 1 text not in UTF-8 (row 3: 'caf\\xe9')" in prepared.stderr
