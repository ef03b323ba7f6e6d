"""Files as the newest writers leave them, and as other programs hold them."""

import fcntl

import anndata
import h5py
import numpy as np
import pytest
from support import assert_same_frame, dense, dump, refusal, run, section


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
