"""`stamarker prepare` and scanpy's same steps on one section, by turns; prints ratios.

  build/venv/bin/python bench/peers/scanpy_prepare.py --spots 100000 --genes 20000 --repeats 3 [--compression gzip]

Ours is the whole program: it reads the file twice, computes the spatial graph too, which scanpy does not,
and writes prepared.h5. scanpy reads the file and runs filter_genes, highly_variable_genes (seurat_v3),
normalize_total, log1p; "steps" leaves its reading out. Both get the same number of threads. `cpu` is processor
time of all threads, which depends less on what else the machine does. Both must select the same genes. With
--compression the section is one that anndata has written so.
"""
import argparse
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

from processes import measured, with_threads

ROOT = pathlib.Path(__file__).resolve().parents[2]
MIN_CELLS, N_TOP = 50, 3000


def steps(sc, data):
    sc.pp.filter_genes(data, min_cells=MIN_CELLS)
    sc.pp.highly_variable_genes(data, flavor="seurat_v3", n_top_genes=N_TOP, span=0.3)
    data = data[:, data.var["highly_variable"]].copy()
    sc.pp.normalize_total(data, target_sum=1e4)
    sc.pp.log1p(data)
    return data


def scanpy_steps(section):
    import numpy as np
    import scanpy as sc
    import scipy.sparse

    def clock():
        used = resource.getrusage(resource.RUSAGE_SELF)
        return time.perf_counter(), used.ru_utime + used.ru_stime

    some = np.random.default_rng(0).poisson(0.5, (500, 200)).astype("float32")
    steps(sc, sc.AnnData(scipy.sparse.csr_matrix(some)))  # what is loaded and compiled at first use
    start = clock()
    data = sc.read_h5ad(section)
    read = clock()
    data = steps(sc, data)
    end = clock()
    print(json.dumps({"seconds": end[0] - start[0], "cpu_seconds": end[1] - start[1],
                      "steps_seconds": end[0] - read[0], "steps_cpu_seconds": end[1] - read[1],
                      "peak_bytes": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
                      "genes": sorted(data.var_names)}))


def compress(section, filter_name):
    """In a process of its own: a child's peak memory begins with what its parent holds."""
    write = "import anndata, sys; anndata.read_h5ad(sys.argv[1]).write_h5ad(sys.argv[1], compression=sys.argv[2])"
    subprocess.run([sys.executable, "-c", write, section, filter_name], check=True)


def run_scanpy(section, threads):
    done = subprocess.run([sys.executable, __file__, "--scanpy", section], env=with_threads(threads), check=True,
                          stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def run_ours(program, section, folder, threads):
    import h5py
    config = folder / "prepare.yaml"
    config.write_text(f"input: {{path: {section}}}\noutput: {folder}/run\ndomains: 6\n"
                      f"prepare: {{min_cells: {MIN_CELLS}, n_top_genes: {N_TOP}}}\n"
                      f"compute: {{threads: {threads}}}\n")
    _, cost = measured([program, "prepare", config, "--overwrite"], threads)
    with h5py.File(folder / "run/prepared.h5") as file:
        genes = sorted(name.decode() for name in file["gene_names"][:])
    return {**cost, "genes": genes}


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--spots", type=int, default=100_000)
    options.add_argument("--genes", type=int, default=20_000)
    options.add_argument("--repeats", type=int, default=3)
    options.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    options.add_argument("--compression", choices=["gzip"], help="of the section, by anndata")
    options.add_argument("--json", type=pathlib.Path, help="file for the numbers")
    options.add_argument("--program", default=ROOT / "build/release/stamarker")
    options.add_argument("--scanpy", metavar="SECTION", help="run scanpy's steps alone and print JSON")
    options = options.parse_args()
    if options.scanpy:
        return scanpy_steps(options.scanpy)

    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        section = folder / "section.h5ad"
        subprocess.run([options.program, "simulate", section, "--n-spots", str(options.spots), "--n-genes",
                        str(options.genes), "--mean-counts", "450"], check=True)
        if options.compression:
            compress(section, options.compression)
        ours, theirs = [], []
        for _ in range(options.repeats):
            ours.append(run_ours(options.program, section, folder, options.threads))
            theirs.append(run_scanpy(str(section), options.threads))
            assert ours[-1]["genes"] == theirs[-1]["genes"], "other genes were selected"

    def medians(runs):
        return {key: statistics.median(run[key] for run in runs) for key in runs[0] if key != "genes"}

    mine, other = medians(ours), medians(theirs)
    print(f"{options.spots} spots x {options.genes} genes, {options.compression or 'not compressed'}, "
          f"{options.threads} threads, "
          f"median of {options.repeats}, the same {len(ours[0]['genes'])} genes")
    for key in ("seconds", "cpu_seconds"):
        print(f"{key:11} ours {mine[key]:7.2f}   scanpy {other[key]:7.2f} (x {other[key] / mine[key]:.1f})"
              f"   scanpy's steps {other['steps_' + key]:7.2f} (x {other['steps_' + key] / mine[key]:.1f})")
    print(f"peak memory ours {mine['peak_bytes'] / 2**20:.0f} MiB   scanpy {other['peak_bytes'] / 2**20:.0f} MiB")
    if options.json:
        options.json.write_text(json.dumps({"spots": options.spots, "genes": options.genes, "threads": options.threads,
                                            "turns": options.repeats, "ours": mine, "peer": other}, indent=1) + "\n")


if __name__ == "__main__":
    main()
