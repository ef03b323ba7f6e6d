"""What scripts/accuracy.py reads from finished runs, and the page it makes of it."""
import csv
import dataclasses
import datetime
import itertools
import json
import os
import pathlib
import subprocess
import warnings

import anndata
import numpy as np
import pandas as pd
from scipy.stats import hypergeom
from sklearn.metrics import adjusted_rand_score

# annotation of the section -> columns of the marker table
LAYERS = {"L1": ["1"], "L2": ["2"], "L3": ["3"], "L4": ["4"], "L5": ["5"], "L6": ["6", "6b"],
          "WM": ["WM"]}
MARKER_SECTIONS = ["dlpfc_151673", "dlpfc_151675"]
# names of our sections in ../shared/expected/benchmarkST_ari_summary.csv
PUBLISHED_NAMES = {"dlpfc_151673": "DLPFC151673", "dlpfc_151675": "DLPFC151675",
                   "her2st_A1": "Her2tumorA1", "starmap_mpfc_BZ5": "mPFC20180417_BZ5_control",
                   "starmap_visual_cortex_BY3": "mVC"}


@dataclasses.dataclass
class Measures:
    """Of one run. ARI against the annotation is over annotated spots only."""
    n_spots: int
    n_genes: int
    n_models: int
    n_epochs: int
    single: list[float]        # ARI of each model's clusters
    consensus: float           # ARI of the domains
    agreement: float           # mean ARI between two models, over all spots
    held_out: list[float]      # accuracy of each classifier on spots it has not seen
    seconds: float             # wall time of the run
    commit: str
    how: str                   # ranks, threads, runs at the same time
    domain_of_layer: dict[str, str]
    svgs: dict[str, set[str]]  # of each domain
    genes: list[str]


def measures_of(folder: pathlib.Path) -> Measures | None:
    """Nothing when the run is not finished."""
    record_file, result_file = folder / "record.json", folder / "run/result.h5ad"
    if not record_file.exists() or not result_file.exists():
        return None
    record = json.loads(record_file.read_text())
    if record["exit_code"] != 0:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = anndata.read_h5ad(result_file)

    run = result.uns["stamarker"]
    annotated = result.obs["ground_truth"].notna().to_numpy()
    truth = result.obs["ground_truth"].astype(str).to_numpy()[annotated]
    domains = result.obs["stamarker"].astype(str).to_numpy()
    labels = np.asarray(result.obsm["stamarker_labels"])
    models = range(labels.shape[1])
    overlap = pd.crosstab(truth, domains[annotated])
    names = result.obs["stamarker"].cat.categories
    return Measures(
        n_spots=result.n_obs, n_genes=result.n_vars, n_models=labels.shape[1],
        n_epochs=np.asarray(run["losses"]).shape[1],
        single=[adjusted_rand_score(truth, labels[annotated, m]) for m in models],
        consensus=adjusted_rand_score(truth, domains[annotated]),
        agreement=float(np.mean([adjusted_rand_score(labels[:, a], labels[:, b])
                                 for a, b in itertools.combinations(models, 2)] or [np.nan])),
        held_out=list(np.asarray(run["held_out_accuracy"], dtype=float)),
        seconds=record["seconds"],
        commit=str(run["provenance"]["commit"]),
        how=f"{record['ranks']} x {record['threads']}, {record['jobs']} at a time",
        domain_of_layer={layer: str(overlap.loc[layer].idxmax()) for layer in overlap.index},
        svgs={k: set(result.var_names[result.var[f"stamarker_svg_{k}"].to_numpy(dtype=bool)])
              for k in names},
        genes=list(result.var_names))


def markers_of(table: pathlib.Path) -> dict[str, set[str]]:
    """Published marker genes of every layer, in capitals: some were found in mouse."""
    with table.open(newline="") as rows:
        records = list(csv.DictReader(rows))
    return {layer: {r["Gene"].upper() for r in records if any(r[c] == "1" for c in columns)}
            for layer, columns in LAYERS.items()}


def published(shared: pathlib.Path) -> dict[str, str]:
    """Median ARI of 20 STAGATE runs of the benchmarkST study, for sections that it has."""
    table = shared / "expected/benchmarkST_ari_summary.csv"
    if not table.exists():
        return {}
    with table.open(newline="") as rows:
        of_dataset = {r["dataset"]: f"{float(r['median']):.3f}" for r in csv.DictReader(rows)
                      if r["file"].lower().startswith("stagate")}
    return {section: of_dataset[name] for section, name in PUBLISHED_NAMES.items()
            if name in of_dataset}


def accuracy_rows(section: str, runs: dict[str, Measures | None], reference: str) -> list[str]:
    """The lines of one section."""
    rows = []
    for name, m in runs.items():
        if m is None:
            rows.append(f"| {section} | {name} | not run | | | | | |")
            continue
        rows.append(
            f"| {section} | {name} | {np.mean(m.single):.3f} ({min(m.single):.3f} to "
            f"{max(m.single):.3f}) | {m.consensus:.3f} | {m.agreement:.3f} | "
            f"{np.mean(m.held_out):.3f} | {m.seconds / 60:.1f} | {reference} |")
    return rows


def marker_rows(section: str, name: str, m: Measures, markers: dict[str, set[str]]) -> list[str]:
    """Enrichment of each layer's markers among the SVGs of its domain; universe: the selected genes.

    p = P(hits >= observed) of drawing as many genes as there are SVGs without replacement.
    """
    rows = []
    universe = {gene.upper() for gene in m.genes}
    for layer, domain in m.domain_of_layer.items():
        known = markers.get(layer, set()) & universe
        chosen = {gene.upper() for gene in m.svgs[domain]}
        hits = sorted(known & chosen)
        p = hypergeom.sf(len(hits) - 1, len(universe), len(known), len(chosen))
        expected = len(known) * len(chosen) / len(universe)
        fold = f"{len(hits) / expected:.1f}" if expected > 0 else ""
        rows.append(f"| {section} | {name} | {layer} | {domain} | {len(chosen)} | {len(known)} | "
                    f"{len(hits)} | {fold} | {p:.1e} | {', '.join(hits)} |")
    everything = set().union(*markers.values()) & universe
    chosen = {gene.upper() for genes in m.svgs.values() for gene in genes}
    hits = everything & chosen
    p = hypergeom.sf(len(hits) - 1, len(universe), len(everything), len(chosen))
    fold = len(hits) * len(universe) / max(len(everything) * len(chosen), 1)
    rows.append(f"| {section} | {name} | any layer | any | {len(chosen)} | {len(everything)} | "
                f"{len(hits)} | {fold:.1f} | {p:.1e} | |")
    return rows


def machine() -> str:
    """Processor and cores, as the operating system names them."""
    processor = "unknown processor"
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            processor = line.split(":", 1)[1].strip()
            break
    return f"{processor}, {len(os.sched_getaffinity(0))} cores"


def means_of(measures: dict[tuple[str, str], Measures | None], configurations: list[str],
             sections: list[str]) -> list[str]:
    """Means over the sections for which every configuration is there."""
    whole = [s for s in sections if all(measures[s, c] is not None for c in configurations)]
    if not whole:
        return []
    rows = [f"Means over {len(whole)} sections ({', '.join(whole)}):", "",
            "| configuration | single | consensus | agreement | held-out |", "|---|---|---|---|---|"]
    for c in configurations:
        of = [measures[s, c] for s in whole]
        rows.append(f"| {c} | {np.mean([np.mean(m.single) for m in of]):.3f} | "
                    f"{np.mean([m.consensus for m in of]):.3f} | "
                    f"{np.mean([m.agreement for m in of]):.3f} | "
                    f"{np.mean([np.mean(m.held_out) for m in of]):.3f} |")
    return [*rows, ""]


def write(folders: dict[tuple[str, str], pathlib.Path], shared: pathlib.Path,
          root: pathlib.Path, n_classes: dict[str, int], note: str) -> str:
    """The page. folders: of (section, configuration), in the order of the table."""
    sections = list(dict.fromkeys(section for section, _ in folders))
    configurations = list(dict.fromkeys(name for _, name in folders))
    measures = {key: measures_of(folder) for key, folder in folders.items()}
    done = [m for m in measures.values() if m is not None]
    references = published(shared)
    commit = subprocess.run(["git", "-C", str(root), "rev-parse", "--short", "HEAD"],
                            capture_output=True, text=True, check=False).stdout.strip()

    def distinct(values) -> str:
        return ", ".join(sorted({str(v) for v in values})) or "none"

    page = [
        "# Accuracy on annotated sections", "",
        "This page is written by `scripts/accuracy`; `scripts/accuracy --table-only` writes it anew "
        "from finished runs.", "",
        f"- written {datetime.date.today()} at commit {commit or 'unknown'}; results of the program "
        f"at commit {distinct(m.commit for m in done)}",
        f"- {machine()}; ranks x threads: {distinct(m.how for m in done)}",
        f"- models: {distinct(m.n_models for m in done)}; epochs: "
        f"{distinct(m.n_epochs for m in done)}; clustering: mclust; everything else as the "
        "configuration's profile and the defaults have it; domains = annotated classes",
        f"- {len(done)} of {len(measures)} runs are finished",
        *([f"- {note}"] if note else []), "",
        "ARI is the adjusted Rand index against the annotation; spots without annotation are left "
        "out. *Single* is the mean over models of the ARI of each one's clusters (smallest to "
        "largest), *consensus* that of the domains. *Agreement* is the mean ARI between two models. "
        "*Held-out* is the mean accuracy of the classifiers on the tenth of spots that they did not "
        "see. *Minutes* is wall time of the whole run. *Published* is STAGATE's median ARI over 20 "
        "runs in the benchmarkST study. `full, leaky_relu, split at 1e-4` is what `profile: tuned`, the "
        "default, stands for.", "",
    ]
    page += means_of(measures, configurations, sections)
    page += ["| section | configuration | single | consensus | agreement | held-out | minutes | "
             "published |", "|---|---|---|---|---|---|---|---|"]
    for section in sections:
        page += accuracy_rows(section, {name: measures[section, name] for name in configurations},
                              references.get(section, ""))
    page += ["", "| section | spots | genes used | classes |", "|---|---|---|---|"]
    for section in sections:
        m = next((measures[section, c] for c in configurations if measures[section, c]), None)
        if m is not None:
            page.append(f"| {section} | {m.n_spots} | {m.n_genes} | {n_classes[section]} |")

    page += ["", "## Layer markers of the cortex among SVGs", "",
             "Published markers of the cortical layers (Maynard et al. 2021, table of the spatialLIBD "
             "project) among the SVGs of the layer's domain, the domain that holds most spots of the "
             "layer. The universe are the genes that the run used; p is the hypergeometric "
             "probability of at least as many hits; fold is hits over expected hits. Layer 6 takes "
             "the markers of 6 and 6b. A domain may stand for two layers.", "",
             "| section | configuration | layer | domain | SVGs | markers | hits | fold | p | which |",
             "|---|---|---|---|---|---|---|---|---|---|"]
    for section in MARKER_SECTIONS:
        number = section.removeprefix("dlpfc_")
        table = shared / f"expected/dlpfc_layer_markers/KRM_Layer_Markers_overlap_{number}.csv"
        for name in configurations:
            m = measures.get((section, name))
            if m is not None and table.exists():
                page += marker_rows(section, name, m, markers_of(table))
    return "\n".join(page) + "\n"
