"""Puts the findings of a result next to what an AnnData has already."""

import copy
import re

import numpy as np
import pandas as pd

PREFIX = "stamarker"  # of the program's keys

# The program's keys in each part of an AnnData, as patterns; {0}: PREFIX in a result, key_added in annotated data.
FINDINGS = {
    "obs": r"{0}",
    "obsm": r"X_{0}|{0}_labels|{0}_embedding_\d+",
    "var": r"{0}_svg_\d+",
    "varm": r"{0}_score|{0}_score_deviation|{0}_stability",
    "uns": r"{0}|{0}_rank_genes_groups",
}


def annotate(data, result, key_added=PREFIX):
    """Copies domains, embeddings, genes and scores of `result` to `data`, matched by the names of spots and genes.

    obs/KEY                            domain, none for spots that the result does not have
    obsm/X_KEY, KEY_labels, ...        embedding and clusters of each model, NaN for these
    var/KEY_svg_<k>, varm/KEY_score, ...  False or NaN for genes that were not selected
    uns/KEY, KEY_rank_genes_groups     the run; genes by rank, for `key=` of scanpy's functions

    KEY is `key_added`. Findings of an earlier call under the same key are removed, all else stays.

    Raises ValueError when names are not unique, a spot of the result is not in `data`, or `data` has one of the keys
    from elsewhere.
    """
    rows = _places(data.obs_names, result.obs_names, "spot")
    columns = _places(data.var_names, result.var_names, "gene")
    found = {part: {_renamed(key, key_added): getattr(result, part)[key] for key in _keys(getattr(result, part), part)}
             for part in FINDINGS}
    found["uns"][f"{key_added}_rank_genes_groups"] = _ranked(result.uns["rank_genes_groups"], key_added)
    _remove_earlier(data, key_added)
    for frame, part, places in ((data.obs, "obs", rows), (data.var, "var", columns)):
        for key, values in found[part].items():
            frame[key] = _column(values, frame.index, places)
    for arrays, part, places, n in ((data.obsm, "obsm", rows, data.n_obs), (data.varm, "varm", columns, data.n_vars)):
        for key, values in found[part].items():
            arrays[key] = _array(np.asarray(values), places, n)
    for key, value in found["uns"].items():
        data.uns[key] = copy.deepcopy(value)


def _keys(mapping, part, key=PREFIX):
    return [name for name in mapping if re.fullmatch(FINDINGS[part].format(re.escape(key)), str(name))]


def _renamed(name, key_added):
    return name.replace(PREFIX, key_added, 1)


def _ranked(ranked, key_added):
    """scanpy's rank_genes_groups, of the column that has the domains here."""
    return ranked | {"params": ranked["params"] | {"groupby": key_added}}


def _remove_earlier(data, key_added):
    keys = {part: _keys(getattr(data, part), part, key_added) for part in FINDINGS}
    run = data.uns.get(key_added)
    if not (isinstance(run, dict) and "provenance" in run):
        taken = [f"{part}[{key!r}]" for part in keys for key in keys[part]]
        if taken:
            raise ValueError(f"key_added = {key_added} (the data has {', '.join(taken)}, which no earlier call left; "
                             "pass another key_added or delete them)")
    for part, names in keys.items():
        for name in names:
            del getattr(data, part)[name]


def _places(names, found, what):
    names, found = names.astype(str), found.astype(str)  # as a file has them
    if not (names.is_unique and found.is_unique):
        raise ValueError(f"the names of {what}s are not unique; AnnData has obs_names_make_unique and "
                         "var_names_make_unique")
    places = names.get_indexer(found)
    if (places < 0).any():
        raise ValueError(f"{what} '{found[places < 0][0]}' of the result is not in the data: is it of another section?")
    return places


def _column(values, index, places):
    if values.dtype == bool:
        column = np.zeros(len(index), bool)
        column[places] = values
        return column
    return pd.Series(values.array, index=index[places]).reindex(index)


def _array(values, places, n):
    if len(places) == n and (places == np.arange(n)).all():
        return values.copy()
    whole = np.full((n, *values.shape[1:]), np.nan, np.result_type(values.dtype, np.float32))
    whole[places] = values
    return whole
