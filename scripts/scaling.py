"""Weak and strong scaling over models and over tiles on this machine, and what follows for more ranks.

    scripts/scaling [--quick] [--output FOLDER] [--ranks 1 2 ...]

Every case is run --repeats times, the cases in turn, and the fastest counts: other work on the machine only
ever adds. Measured are the seconds that run.log names for each stage. FOLDER (runs/scaling) gets measured.tsv,
predicted.tsv, report.md and, with matplotlib, scaling.svg. The model that is fitted, for E epochs of M models
with n spots on g groups of t ranks, each group with T tiles:

    training = E ceil(M / g) ((a n + b sqrt(n) 2 (sqrt(T) - 1)) / t + sum(t)) + u n / t
    the rest = s n + p n ceil(M / (g t)), and a constant each

a: a spot's epoch; u: a spot's layout in memory, once. b: a spot of the halo, of which a square cut into T tiles has sqrt(n) 2 (sqrt(T) - 1) times a
constant, two hops to each side of a cut. sum(t): the gradients and P, added up over t ranks, and waiting for the
slowest; measured for ranks of this machine. A prediction takes what 2 ranks need here for the bytes that pass, and
for the network between nodes --latency and --bandwidth besides. s: stages that rank 0 does alone or that
wait for the disk (prepare, consensus, svgs). p: those spread over ranks (cluster, classify, saliency).
"""
import argparse
import math
import os
import pathlib
import re
import shutil
import subprocess
import sys
from typing import NamedTuple

import build_venv

ROOT = pathlib.Path(__file__).resolve().parents[1]
PROGRAM = ROOT / "build/release/stamarker"
SERIAL, SPREAD = ("prepare", "consensus", "svgs"), ("cluster", "classify", "saliency")


class Case(NamedTuple):
    """One way of running; `kind` is what it shows."""
    kind: str
    n_spots: int
    n_models: int
    n_ranks: int
    n_tile_ranks: int  # of a group
    n_tiles: int

    @property
    def name(self):
        return "_".join(str(part) for part in self).replace(" ", "_")

    @property
    def models_of_a_group(self):
        return math.ceil(self.n_models / (self.n_ranks // self.n_tile_ranks))

    @property
    def halo(self):
        """Length of all cuts, in spots, of a square of n_spots cut into n_tiles."""
        return math.sqrt(self.n_spots) * 2 * (math.sqrt(self.n_tiles) - 1)


def cases_of(size, ranks):
    n, most = size["n_spots"], max(ranks)
    found = []
    for r in ranks:
        found += [Case("strong over models", n, most, r, 1, 1), Case("weak over models", n, r, r, 1, 1),
                  Case("strong over tiles", n, 1, r, r, r), Case("weak over tiles", n * r, 1, r, r, r)]
    # What a halo costs by itself: the same tiles on one rank.
    return found + [Case("tiles on one rank", n, 1, 1, 1, t) for t in (2, 4, 8)]


def mpirun(n_ranks):
    words = ["mpirun", "-n", str(n_ranks), "--oversubscribe", "--bind-to", "none"]
    return words + (["--allow-run-as-root"] if os.geteuid() == 0 else [])


def seconds_of(case, size, folder):
    """Runs the case anew; seconds of each stage."""
    run = folder / case.name
    shutil.rmtree(run, ignore_errors=True)
    settings = {"input.path": folder / f"section_{case.n_spots}.h5ad", "output": run, "domains": 5,
                "models": case.n_models, "autoencoder.epochs": size["epochs"],
                "autoencoder.hidden_dims": f"[{size['n_hidden']}, 30]", "prepare.n_top_genes": size["n_genes"],
                "prepare.min_cells": 1, "clustering.n_init": 1, "compute.threads": 1,
                "compute.tiles": case.n_tiles, "compute.tile_groups": case.n_tile_ranks}
    config = folder / "empty.yaml"
    config.write_text("profile: full\n")
    words = [*mpirun(case.n_ranks), PROGRAM, "run", config]
    for key, value in settings.items():
        words += ["--set", f"{key}={value}"]
    done = subprocess.run(words, capture_output=True, text=True, env={**os.environ, "OMP_WAIT_POLICY": "passive"})
    if done.returncode != 0:
        sys.exit(f"scaling: {case} failed: {done.stderr}")
    log = (run / "run.log").read_text()
    shutil.rmtree(run)
    return {stage: float(value) for stage, value in re.findall(r"(\w+) took ([\d.]+) s", log)}


def measure(size, ranks, repeats, folder):
    cases = cases_of(size, ranks)
    for n_spots in sorted({case.n_spots for case in cases}):
        subprocess.run([PROGRAM, "simulate", folder / f"section_{n_spots}.h5ad", "--n-spots", str(n_spots),
                        "--n-genes", str(size["n_genes"] + 200), "--n-domains", "5"], check=True,
                       stdout=subprocess.DEVNULL)
    best = {}
    for repeat in range(repeats):
        for case in cases:
            print(f"repeat {repeat + 1} of {repeats}: {case.kind}, {case.n_ranks} ranks, {case.n_tiles} tiles", flush=True)
            found = seconds_of(case, size, folder)
            known = best.setdefault(case, found)
            for stage, value in found.items():
                known[stage] = min(known[stage], value)
    return best


def efficiency(case, best):
    """Share of the ranks' time that serves, against one rank of the same kind."""
    if case.kind == "tiles on one rank":
        base = next(other for other in best if other.kind == "strong over tiles" and other.n_ranks == 1)
        return best[base]["train"] / best[case]["train"]
    base = next(other for other in best if other.kind == case.kind and other.n_ranks == 1)
    ratio = best[base]["train"] / best[case]["train"]
    return ratio / case.n_ranks if case.kind.startswith("strong") else ratio


def fit(best, size):
    """Seconds: a, b, u, sum by t, s, p of the model above; none is negative."""
    import numpy as np  # of build/venv
    from scipy.optimize import nnls

    with_sum = sorted({case.n_tile_ranks for case in best if case.n_tile_ranks > 1})
    rows, values = [], []
    for case, seconds in best.items():
        steps = size["epochs"] * case.models_of_a_group
        row = [steps * case.n_spots / case.n_tile_ranks, steps * case.halo / case.n_tile_ranks,
               case.n_spots / case.n_tile_ranks, *(steps * (case.n_tile_ranks == t) for t in with_sum)]
        rows.append(np.array(row) / seconds["train"])  # relative errors count
        values.append(1.0)
    solution, _ = nnls(np.array(rows), np.array(values))
    residual = float(np.max(np.abs(np.array(rows) @ solution - 1)))

    def per_spot(stages, work):
        """Seconds of a spot's work; the constant beside it, of starting and opening files, is left."""
        times = [sum(seconds.get(stage, 0) for stage in stages) for seconds in best.values()]
        return float(nnls(np.array([[work(case), 1.0] for case in best]), np.array(times))[0][0])

    return {"spot": solution[0], "halo": solution[1], "setup": solution[2], "sum": dict(zip(with_sum, solution[3:])),
            "serial": per_spot(SERIAL, lambda case: case.n_spots),
            "spread": per_spot(SPREAD, lambda case: case.n_spots * math.ceil(case.n_models / case.n_ranks)),
            "residual": residual}


def summed_bytes(size):
    genes, hidden, latent = size["n_genes"], size["n_hidden"], 30
    return 4 * (genes * hidden + hidden * latent + 2 * hidden + hidden * hidden)


def predict(model, size, n_spots, n_models, n_ranks, network):
    """Seconds of the parts of a run. Ranks beyond the models share tiles, at least one for 50,000 spots."""
    n_tile_ranks = 1
    while n_ranks // (2 * n_tile_ranks) >= n_models:
        n_tile_ranks *= 2
    n_tiles = n_tile_ranks * math.ceil(n_spots / 50_000 / n_tile_ranks)
    case = Case("predicted", n_spots, n_models, n_ranks, n_tile_ranks, n_tiles)
    steps = network["epochs"] * case.models_of_a_group
    sum_s = 0.0
    if n_tile_ranks > 1:  # each rank adds up its share and passes it on: twice (1 - 1 / t) of the bytes
        passes = 2 * (1 - 1 / n_tile_ranks)
        sum_s = (passes * model["sum"].get(2, 0.0) + 2 * math.log2(n_tile_ranks) * network["latency"]
                 + passes * summed_bytes(size) / network["bandwidth"])
    return case, {"compute": (steps * model["spot"] + model["setup"]) * n_spots / n_tile_ranks,
                  "halo": steps * model["halo"] * case.halo / n_tile_ranks, "all-reduce": steps * sum_s,
                  "serial and I/O": model["serial"] * n_spots,
                  "other stages": model["spread"] * n_spots * math.ceil(n_models / n_ranks)}


def write_tables(folder, best, model, size, predictions, arguments):
    measured = [(c.kind, c.n_spots, c.n_models, c.n_ranks, c.n_tile_ranks, c.n_tiles, f"{s['train']:.3f}",
                 f"{sum(s.values()):.3f}", f"{efficiency(c, best):.2f}") for c, s in best.items()]
    head = ("case", "spots", "models", "ranks", "ranks a group", "tiles", "train s", "all s", "efficiency")
    parts = tuple(predictions[0][1])
    predicted = [(c.n_ranks, c.n_tile_ranks, c.n_tiles, *(f"{v:.0f}" for v in s.values()), f"{sum(s.values()):.0f}",
                  f"{sum(predictions[0][1].values()) * predictions[0][0].n_ranks / (sum(s.values()) * c.n_ranks):.2f}")
                 for c, s in predictions]
    head_predicted = ("ranks", "ranks a group", "tiles", *(f"{part} s" for part in parts), "run s",
                      f"efficiency against {predictions[0][0].n_ranks}")
    for name, header, rows in (("measured", head, measured), ("predicted", head_predicted, predicted)):
        lines = ["\t".join(map(str, row)) for row in (header, *rows)]
        (folder / f"{name}.tsv").write_text("\n".join(lines) + "\n")

    def markdown(header, rows):
        return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in (header, ["---"] * len(header), *rows))

    sums = ", ".join(f"{1e3 * value:.2f} ms over {t} ranks" for t, value in model["sum"].items()) or "not measured"
    text = (f"{size['n_genes']} genes, H {size['n_hidden']}, {size['epochs']} epochs, one thread a rank, "
            f"fastest of {arguments.repeats}.\n\n{markdown(head, measured)}\n\n"
            f"Fitted: {1e6 * model['spot']:.2f} us a spot and epoch, {1e6 * model['halo']:.2f} us a spot of a cut, {1e6 * model['setup']:.1f} us a spot once; "
            f"gradients and P added up in {sums}; {1e6 * model['serial']:.1f} us a spot for stages on one rank and files, "
            f"{1e6 * model['spread']:.1f} us a spot and model for the others. Largest relative error of the training "
            f"times: {100 * model['residual']:.0f} %.\n\nPredicted, for {arguments.spots} spots, {arguments.models} models, "
            f"{arguments.epochs} epochs, with {1e6 * arguments.latency:.0f} us and {1e-9 * arguments.bandwidth:.0f} GB/s "
            f"between ranks (assumed, not measured):\n\n{markdown(head_predicted, predicted)}\n")
    (folder / "report.md").write_text(text)
    return text


def plot(folder, best, predictions):
    try:
        import matplotlib
        matplotlib.use("svg")
        from matplotlib import pyplot
    except ImportError:
        print("scaling: no matplotlib, no plot")
        return
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4))
    for kind in dict.fromkeys(case.kind for case in best if case.kind != "tiles on one rank"):
        points = sorted((c.n_ranks, efficiency(c, best)) for c in best if c.kind == kind)
        left.plot(*zip(*points), marker="o", label=kind)
    left.set(xlabel="ranks", ylabel="efficiency", ylim=(0, 1.2), title="measured")
    left.legend()
    ranks = [case.n_ranks for case, _ in predictions]
    for part in predictions[0][1]:
        right.plot(ranks, [max(seconds[part], 1e-3) for _, seconds in predictions], label=part)
    right.plot(ranks, [sum(seconds.values()) for _, seconds in predictions], "k", label="run")
    right.set(xlabel="ranks", ylabel="seconds", xscale="log", yscale="log", title="predicted")
    right.legend()
    figure.tight_layout()
    figure.savefig(folder / "scaling.svg")


def main():
    parser = argparse.ArgumentParser(prog="scripts/scaling", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a small section: minutes, for trying the script")
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / "runs/scaling")
    parser.add_argument("--ranks", type=int, nargs="+", help="default: 1, 2, 4, ... up to the cores")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--spots", type=int, default=1_000_000, help="of the predicted run")
    parser.add_argument("--models", type=int, default=20, help="of the predicted run")
    parser.add_argument("--epochs", type=int, default=1000, help="of the predicted run")
    parser.add_argument("--latency", type=float, default=5e-6, help="seconds of a message between ranks, assumed")
    parser.add_argument("--bandwidth", type=float, default=10e9, help="bytes a second of a rank's link, assumed")
    arguments = parser.parse_args()
    build_venv.enter()
    if not PROGRAM.exists():
        sys.exit(f"scaling: {PROGRAM} is missing; run scripts/build")
    n_cores = len(os.sched_getaffinity(0))
    ranks = sorted({1, *(arguments.ranks or [2**k for k in range(1, 11) if 2**k <= n_cores])})
    size = (dict(n_spots=1000, n_genes=500, n_hidden=128, epochs=60) if arguments.quick
            else dict(n_spots=4000, n_genes=3000, n_hidden=512, epochs=15))
    arguments.output.mkdir(parents=True, exist_ok=True)
    best = measure(size, ranks, arguments.repeats, arguments.output)
    model = fit(best, size)
    network = {"epochs": arguments.epochs, "latency": arguments.latency, "bandwidth": arguments.bandwidth}
    predictions = [predict(model, size, arguments.spots, arguments.models, 2**k, network) for k in range(3, 11)]
    print(write_tables(arguments.output, best, model, size, predictions, arguments))
    plot(arguments.output, best, predictions)


if __name__ == "__main__":
    main()
