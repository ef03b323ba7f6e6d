#!/usr/bin/env python3
"""The whole method: `stamarker`, and the public method assembled from its parts, on one section.

  bench/peers/whole_pipeline.py --sizes 4226 --json build/bench/pipeline.json
  bench/peers/whole_pipeline.py --sizes 25641 --epochs 20 --json build/bench/pipeline.json

Both get the same section, cores and threads, --models auto-encoders of 1000 epochs, profile `reference`
and one start of mclust a model. Ours runs stage by stage, each stage a process: start, reading and
writing count. The peer's stages work on what ours found, so that they get the same expression, graph,
embeddings and labels; starting Python and importing do not count:

  prepare    scanpy's steps (scanpy_prepare.py), without a spatial graph
  train      PyTorch (torch_training.py): --peer-epochs epochs of one model, times 1000 and models
  cluster    R's mclust (mclust_time.R): one model, times models
  consensus  scipy (scipy_consensus.py): whole up to --consensus-spots; above from a sum of terms in N^2
             and N^3 fitted to three smaller sizes, memory from terms in 1 and N^2
  classify   PyTorch (torch_classifier.py): --peer-epochs epochs of one model, times 300 and models
  saliency   PyTorch (torch_saliency.py): one model, times models
  svgs       nothing: the peer writes no result

With --epochs ours trains so few and its time counts 1000 / epochs times. Rows that are not measured
whole are marked `extrapolated`. Needs bench/peers/make-venv, scripts/make-venv, R with mclust.
"""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys

from processes import measured

ROOT = pathlib.Path(__file__).resolve().parents[2]
PEERS = pathlib.Path(__file__).resolve().parent
STAGES = ("prepare", "train", "cluster", "consensus", "classify", "saliency", "svgs")
EPOCHS, CLASSIFIER_EPOCHS, N_DOMAINS = 1000, 300, 7  # N_DOMAINS: also mclust_time.R's
MEAN_COUNTS = {4226: 1500}  # of a spot over 20,000 genes; 10 % of 3000 genes non-zero
OTHER_MEAN_COUNTS = 450  # 3 %
TIMES = ("seconds", "cpu_seconds")


def times(cost, factor):
    """The cost of `factor` times the work in the same memory; with the names of what was not measured."""
    return {**cost, **{key: factor * cost[key] for key in TIMES}, "extrapolated": list(TIMES) if factor != 1 else []}


def together(costs):
    """One after the other: the sum of times, the largest memory."""
    largest = max(costs, key=lambda cost: cost["peak_bytes"])
    guessed = {key for cost in costs for key in cost["extrapolated"] if key in TIMES or cost is largest}
    return {**{key: sum(cost[key] for cost in costs) for key in TIMES}, "peak_bytes": largest["peak_bytes"],
            "extrapolated": sorted(guessed)}


class Ours:
    def __init__(self, options, section, run):
        self.options, self.section, self.run = options, section, run
        self.epochs = options.epochs or EPOCHS

    def stage(self, name):
        settings = {"input.path": self.section, "output": self.run, "domains": N_DOMAINS,
                    "models": self.options.models, "autoencoder.epochs": self.epochs,
                    "clustering.n_init": 1, "compute.threads": self.options.threads, "compute.device": "cpu"}
        words = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
        _, cost = measured([self.options.program, name, ROOT / "configs/reference.yaml", *words],
                           self.options.threads)
        factor = EPOCHS / self.epochs if name == "train" else 1
        return times(cost, factor)


class Peer:
    def __init__(self, options, section, run):
        self.options, self.section, self.run = options, section, run
        self.file = run / "peer_section.h5"

    def python(self, program, *words, venv=None):
        """The last line of a peer, and the cost that it reports."""
        command = [venv or self.options.python, PEERS / program, *words]
        out, process = measured(command, self.options.threads)
        said = json.loads(out.splitlines()[-1])
        return said, {"seconds": said["seconds"], "cpu_seconds": said["cpu_seconds"],
                      "peak_bytes": process["peak_bytes"]}

    def torch(self, program, *words):
        return self.python(program, self.file, "--profile", "reference", "--threads", self.options.threads, *words)[1]

    def prepare(self):
        return times(self.python("scanpy_prepare.py", "--scanpy", self.section, venv=self.options.scanpy_python)[1], 1)

    def train(self):
        n = self.options.peer_epochs
        return times(self.torch("torch_training.py", "--epochs", n), EPOCHS * self.options.models)

    def cluster(self):
        out, cost = measured(["Rscript", PEERS / "mclust_time.R", self.run / "embedding.f32", 0],
                             self.options.threads)
        said = json.loads(out.splitlines()[-1])
        return times({**cost, "seconds": said["seconds"], "cpu_seconds": said["cpu_s"]},
                     self.options.models)

    def consensus(self, n_spots):
        def of(n):
            return self.python("scipy_consensus.py", self.file, "--spots", n)[1]
        most = self.options.consensus_spots
        if n_spots <= most:
            return times(of(n_spots), 1)
        sizes = [most // 3, 2 * most // 3, most]
        costs = [of(n) for n in sizes]
        found = {key: fitted(sizes, [cost[key] for cost in costs], powers, n_spots)
                 for key, powers in (("seconds", (2, 3)), ("cpu_seconds", (2, 3)), ("peak_bytes", (0, 2)))}
        return {**found, "extrapolated": list(found)}

    def classify(self):
        n = self.options.peer_epochs
        return times(self.torch("torch_classifier.py", "--epochs", n), CLASSIFIER_EPOCHS * self.options.models)

    def saliency(self):
        return times(self.torch("torch_saliency.py"), self.options.models)


def fitted(sizes, values, powers, at):
    """The sum of two powers of the size, neither negative, nearest to `values` by least squares."""
    import numpy
    import scipy.optimize
    columns = numpy.array([[(n / sizes[-1]) ** p for p in powers] for n in sizes])
    weights, _ = scipy.optimize.nnls(columns, numpy.array(values))
    return float(sum(w * (at / sizes[-1]) ** p for w, p in zip(weights, powers, strict=True)))


def write_peer_section(run, file):
    """What ours found, in the layout of the peers (bench/section_file.hpp); embedding.f32 for R."""
    import h5py
    import numpy
    generator = numpy.random.default_rng(0)
    with h5py.File(run / "prepared.h5") as read, h5py.File(file, "w") as to:
        row_start, counts = read["counts/indptr"][:], read["counts/data"][:]
        n_spots, n_genes = (int(n) for n in read["counts"].attrs["shape"])
        row = numpy.repeat(numpy.arange(n_spots), numpy.diff(row_start))
        total = numpy.bincount(row, counts, n_spots)
        to["expression/row_start"], to["expression/column"] = row_start, read["counts/indices"][:]
        to["expression/value"] = numpy.log1p(counts / total[row] * read["target_sum"][()]).astype("float32")
        to["expression/n_cols"] = n_genes
        for name in ("row_start", "source"):
            to[f"graph/{name}"] = read[f"graph/{name}"][:]
        widths = {"w1": (n_genes, 512), "w2": (512, 30), "a_src": (512,), "a_dst": (512,)}
        for name, shape in widths.items():
            spread = 1.414 * (2 / (shape[0] + (shape[1] if len(shape) > 1 else 1))) ** 0.5
            to[f"weights/{name}"] = generator.normal(0, spread, shape).astype("float32")
        to["n_checked"], to["reference/draws"] = 0, numpy.zeros((0, n_spots), "int32")
        with h5py.File(run / "models/model_000.h5") as model:
            embedding = model["embedding"][:].astype("float32")
        with h5py.File(run / "consensus.h5") as consensus:
            domain = consensus["domain"][:]
        with h5py.File(run / "clusters.h5") as clusters:
            to["consensus/labels"] = clusters["labels"][:]
        to["consensus/n_domains"] = N_DOMAINS
        to["classifier/embedding"], to["classifier/domain"] = embedding, domain
    embedding.tofile(run / "embedding.f32")
    return n_spots


def compare(options, n_asked):
    section, run = (options.work / f"{name}_{n_asked}" for name in ("pipeline", "run"))
    section = section.with_suffix(".h5ad")
    options.work.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(run, ignore_errors=True)
    if not section.exists():
        subprocess.run([options.program, "simulate", section, "--n-spots", str(n_asked), "--layout", "random",
                        "--n-genes", "20000", "--n-domains", str(N_DOMAINS), "--svgs-per-domain", "100",
                        "--fold-change", "4", "--mean-counts",
                        str(MEAN_COUNTS.get(n_asked, OTHER_MEAN_COUNTS))], check=True)
    ours, peer = Ours(options, section, run), Peer(options, section, run)
    rows = {stage: {"ours": ours.stage(stage)} for stage in STAGES}
    n_spots = write_peer_section(run, peer.file)
    for stage in STAGES[:-1]:
        rows[stage]["peer"] = peer.consensus(n_spots) if stage == "consensus" else getattr(peer, stage)()
        tell(stage, rows[stage])
    rows["svgs"]["peer"] = {"seconds": 0, "cpu_seconds": 0, "peak_bytes": 0, "extrapolated": []}
    tell("svgs", rows["svgs"])
    total = {side: together([row[side] for row in rows.values()]) for side in ("ours", "peer")}
    rows["together"] = total
    tell("together", total)
    shutil.rmtree(run)
    return {"spots": n_spots, "models": options.models, "threads": options.threads,
            "our_epochs": ours.epochs, "rows": rows}


def tell(name, row):
    a, b = row["ours"], row["peer"]

    def part(cost):
        what = f" (extrapolated: {', '.join(cost['extrapolated'])})" if cost["extrapolated"] else ""
        return f"{cost['seconds']:.3g} s, cpu {cost['cpu_seconds']:.3g} s, {cost['peak_bytes'] / 2**20:.0f} MiB{what}"
    ratios = ", ".join(f"{b[key] / a[key]:.1f}" for key in (*TIMES, "peak_bytes"))
    print(f"{name}: ours {part(a)}; peer {part(b)}; ratios {ratios}", flush=True)


def merged(file, records):
    """Those of other sizes that the file has, and these."""
    sizes = {record["spots"] for record in records}
    kept = json.loads(file.read_text()) if file.exists() else []
    return sorted([record for record in kept if record["spots"] not in sizes] + records,
                  key=lambda record: record["spots"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", type=int, default=[4226, 25641], metavar="SPOTS")
    parser.add_argument("--models", type=int, default=5)
    parser.add_argument("--epochs", type=int, help="that ours trains; default: all 1000")
    parser.add_argument("--peer-epochs", type=int, default=5, help="that the peer is timed for")
    parser.add_argument("--consensus-spots", type=int, default=4500, help="the most that scipy gets")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--json", type=pathlib.Path, help="file for the numbers; those of other sizes stay in it")
    parser.add_argument("--program", type=pathlib.Path, default=ROOT / "build/release/stamarker")
    parser.add_argument("--python", type=pathlib.Path, default=ROOT / "build/peers-venv/bin/python")
    parser.add_argument("--scanpy-python", type=pathlib.Path, default=ROOT / "build/venv/bin/python")
    parser.add_argument("--work", type=pathlib.Path, default=ROOT / "build/bench")
    options = parser.parse_args()
    if sys.prefix == sys.base_prefix and options.python.exists():  # numpy, scipy, h5py are in the peers' Python
        os.execv(options.python, [str(options.python), __file__, *sys.argv[1:]])
    for needed, how in ((options.program, "scripts/build"), (options.python, "bench/peers/make-venv"),
                        (options.scanpy_python, "scripts/make-venv")):
        if not needed.exists():
            sys.exit(f"whole_pipeline: no {needed} ({how})")
    if shutil.which("Rscript") is None:
        sys.exit("whole_pipeline: no Rscript (apt-get install r-base-core r-cran-mclust)")
    records = []
    for n_spots in options.sizes:
        records.append(compare(options, n_spots))
        if options.json:
            options.json.write_text(json.dumps(merged(options.json, records), indent=1) + "\n")


if __name__ == "__main__":
    main()
