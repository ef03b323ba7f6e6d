"""The file that the program reads."""

import filecmp
import pathlib

import anndata


def as_file(data, where, is_replaced):
    """The file of `data`, an AnnData's beside the run. Raises ValueError where the run has been of other data."""
    if not isinstance(data, anndata.AnnData):
        return pathlib.Path(data)
    path = where.with_name(where.name + ".input.h5ad")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    try:
        data.write_h5ad(partial)
        has_run = path.exists() and (where / "config.resolved.yaml").exists()
        if has_run and not is_replaced and not filecmp.cmp(path, partial, shallow=False):
            raise ValueError(f"output = {where} (holds a run of other data than these, those of {path}; pass that "
                             "path as data, another output, or overwrite=True)")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return path
