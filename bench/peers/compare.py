"""Ours and the peers on the same section, cores and threads, by turns; prints ratios.

  bench/peers/compare.py --sizes 4226 --cases train-full classify-full --json ratios.json
  bench/peers/compare.py --sizes 4226 25641 --cases train-full --device cuda --models 20 --precision tf32

A ratio is the peer's median over ours. `cpu` is CPU time of all threads: it depends less on
what else the machine does than wall time. `memory` is the peak of the whole process, on a GPU that
of the device. With --models ours trains that many side by side; an epoch is one model's.
Start it by scripts/bench, or with any Python; the peers run in that of bench/peers/make-venv.
"""
import argparse
import json
import pathlib
import shlex
import statistics
import subprocess
import sys

from processes import with_threads

ROOT = pathlib.Path(__file__).resolve().parents[2]
PEERS = pathlib.Path(__file__).resolve().parent
DENSITY = {4226: 0.1, 25641: 0.03, 100000: 0.03}  # share of non-zeros, 3000 genes
# Relative, of the first epochs: float32 sums of N G terms in other orders; of products in TF32, whose
# two factors are each rounded to 2^-11 of themselves.
LOSS_TOLERANCE = {"fp32": 5e-5, "tf32": 2 * 2.0**-11}


def check_losses(ours, theirs, precision):
    """Three epochs from the same weights and draws end alike: the same computation."""
    worst = max(abs(a - b) / abs(a) for a, b in zip(ours["losses"], theirs["losses"], strict=True))
    return worst < LOSS_TOLERANCE[precision], f"losses agree to {worst:.1e}"


def check_accuracy(ours, theirs, precision):
    """Both learn. Batches are drawn by other random numbers, so accuracies are not equal."""
    del precision
    a, b = ours["held_out_accuracy"][0], theirs["held_out_accuracy"]
    return min(a, b) > 0.5, f"held-out accuracy {a:.3f}, {b:.3f}"


def check_domains(ours, theirs, precision):
    del precision
    return ours["domain_sizes"] == theirs["domain_sizes"], f"domains of {ours['domain_sizes']} spots"


def cases(options):
    """name: (what it counts, ours, peer, check). Commands lack the section file."""
    epochs = str(options.epochs)
    spots = str(options.consensus_spots)
    our_device = ["--device", options.device, "--precision", options.precision,
                  "--models", str(options.models), "--queued", str(options.queued)]
    their_device = ["--device", options.peer_device or options.device]
    if options.precision == "tf32":
        their_device.append("--tf32")
    all_cases = {}
    for profile in ("reference", "full"):
        all_cases[f"train-{profile}"] = (
            "an epoch", ["train", "--profile", profile, "--epochs", epochs, *our_device],
            ["torch_training.py", "--profile", profile, "--epochs", epochs, *their_device],
            check_losses)
        all_cases[f"classify-{profile}"] = (
            "an epoch", ["classify", "--profile", profile],
            ["torch_classifier.py", "--profile", profile, "--epochs", "30"], check_accuracy)
    all_cases["consensus"] = (f"{spots} spots, 20 models", ["consensus", "--spots", spots],
                              ["scipy_consensus.py", "--spots", spots], check_domains)
    return all_cases


def run(command, threads):
    """The last line of a command as JSON."""
    ended = subprocess.run(command, env=with_threads(threads), capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        sys.exit(f"compare: {' '.join(command)} failed:\n{ended.stderr}")
    return json.loads(ended.stdout.splitlines()[-1])


def median_of(turns):
    """The first turn's values with medians of what was measured."""
    return {**turns[0], **{key: statistics.median(turn[key] for turn in turns)
                           for key in ("seconds", "cpu_seconds", "peak_bytes", "peak_device_bytes")
                           if key in turns[0]}}


def section_file(options, n_spots):
    file = options.work / f"section_{n_spots}.h5"
    if not file.exists():
        options.work.mkdir(parents=True, exist_ok=True)
        subprocess.run([*options.ours, "make", file, "--spots", str(n_spots), "--genes",
                        str(options.genes), "--density", str(DENSITY.get(n_spots, 0.1))], check=True)
    return str(file)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", type=int, default=[4226, 25641], metavar="SPOTS",
                        help=f"density by size: {DENSITY}, else 0.1")
    parser.add_argument("--genes", type=int, default=3000, help="of sections that are made now")
    parser.add_argument("--cases", nargs="+", metavar="CASE", help="default: all")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--turns", type=int, default=3, help="of each side")
    parser.add_argument("--epochs", type=int, default=5, help="timed in a turn")
    parser.add_argument("--consensus-spots", type=int, default=4000)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="of training")
    parser.add_argument("--peer-device", help="where it is another")
    parser.add_argument("--precision", choices=["fp32", "tf32"], default="fp32")
    parser.add_argument("--models", type=int, default=1, help="ours trains side by side")
    parser.add_argument("--queued", type=int, default=1,
                        help="epochs that ours enqueues before the host waits")
    parser.add_argument("--json", type=pathlib.Path, help="file for the numbers")
    parser.add_argument("--ours", type=shlex.split, metavar="COMMAND",
                        default=[str(ROOT / "build/release/bench/stage_time")])
    parser.add_argument("--python", default=str(ROOT / "build/peers-venv/bin/python"))
    parser.add_argument("--work", type=pathlib.Path, default=ROOT / "build/bench")
    options = parser.parse_args()
    known = cases(options)
    unknown = set(options.cases or []) - set(known)
    if unknown:
        sys.exit(f"compare: no case {', '.join(unknown)}; there are {', '.join(known)}")

    records, all_agree = [], True
    for n_spots in options.sizes:
        file = section_file(options, n_spots)
        for name in options.cases or known:
            unit, ours, peer, check = known[name]
            threads = ["--threads", str(options.threads)]
            turns = [(run([*options.ours, ours[0], file, *ours[1:], *threads], options.threads),
                      run([options.python, str(PEERS / peer[0]), file, *peer[1:], *threads],
                          options.threads)) for _ in range(options.turns)]
            a, b = (median_of([turn[side] for turn in turns]) for side in (0, 1))
            agrees, how = check(a, b, options.precision)
            all_agree = all_agree and agrees
            memory = "peak_device_bytes" if b.get("peak_device_bytes") else "peak_bytes"
            ratios = {key: b[key] / a[key] for key in ("seconds", "cpu_seconds", memory)}
            records.append({"case": name, "unit": unit, "spots": n_spots, "threads": options.threads,
                            "device": options.device, "precision": options.precision,
                            "models": options.models, "turns": options.turns,
                            "ours": a, "peer": b, "ratios": ratios})
            print(f"{name}, {n_spots} spots, {unit}: wall {a['seconds']:.4g} and {b['seconds']:.4g} s"
                  f" = {ratios['seconds']:.1f}; cpu {a['cpu_seconds']:.4g} and "
                  f"{b['cpu_seconds']:.4g} s = {ratios['cpu_seconds']:.1f}; memory "
                  f"{a[memory] / 2**20:.0f} and {b[memory] / 2**20:.0f} MiB = "
                  f"{ratios[memory]:.1f}; {how if agrees else 'DIFFERS: ' + how}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(records, indent=1) + "\n")
    return 0 if all_agree else 1


if __name__ == "__main__":
    sys.exit(main())
