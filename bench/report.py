"""Writes the tables of docs/performance.md from what scripts/bench left in build/bench.

A part that was not measured keeps its table. Each table says the commit and the machine. A processor without AVX-512
has tables of its own, those whose mark ends with _avx2.
"""
import argparse
import json
import pathlib
import platform
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/performance.md"
RESULTS = ROOT / "build/bench"
CPUINFO = pathlib.Path("/proc/cpuinfo")


def has_avx512():
    return bool(re.search(r"^flags\s*:.* avx512f", CPUINFO.read_text(), re.MULTILINE))


def provenance():
    commit = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], check=True,
                            capture_output=True, text=True).stdout.strip()
    cpuinfo = CPUINFO.read_text()
    model = re.search(r"^model name\s*: (.*)", cpuinfo, re.MULTILINE)
    processor = f"{model[1] if model else platform.machine()}, {'AVX-512' if has_avx512() else 'no AVX-512'}"
    n_cores = cpuinfo.count("processor\t:")
    return f"Commit {commit}; {processor}, {n_cores} cores."


def operations(read):
    context = read["context"]
    machine = [f"{name} {float(context[name]):.0f}" for name in
               ("GFLOP/s of a core, FMA", "GFLOP/s of a core, dense product",
                "GB/s of a core")]
    lines = ["Measured peaks: " + "; ".join(machine) + ".", "",
             "| section, profile | operation | ms | GFLOP/s | of FMA peak | GB/s | of memory |",
             "|---|---|---|---|---|---|---|"]
    for run in read["benchmarks"]:
        profile, spots, operation = run["name"].split("/")[:3]
        lines.append(f"| {spots}, {profile} | {operation} | {run['cpu_time']:.2f} | "
                     f"{run['GFLOP/s']:.0f} | {run['of_FMA']:.0%} | {run['GB/s']:.1f} | "
                     f"{run['of_memory']:.0%} |")
    return lines


def ratios(read):
    lines = ["| case | spots | unit | ours, s | peer, s | ratio of CPU time | of wall time | "
             "of peak memory |", "|---|---|---|---|---|---|---|---|"]
    for r in read:
        lines.append(f"| {r['case']} | {r['spots']} | {r['unit']} | {r['ours']['cpu_seconds']:.4g} | "
                     f"{r['peer']['cpu_seconds']:.4g} | {r['ratios']['cpu_seconds']:.1f} | "
                     f"{r['ratios']['seconds']:.1f} | {r['ratios']['peak_bytes']:.1f} |")
    return lines


def mebibytes(cost):
    return f"{cost['peak_bytes'] / 2**20:.0f}"


def prepare(read):
    ours, peer = read["ours"], read["peer"]
    lines = [f"{read['spots']} spots x {read['genes']} genes, {read['threads']} threads, medians of {read['turns']}.", "",
             "| | ours | scanpy | ratio | scanpy without reading | ratio |", "|---|---|---|---|---|---|"]
    for name, key in (("wall time, s", "seconds"), ("CPU time, s", "cpu_seconds")):
        steps = peer[f"steps_{key}"]
        lines.append(f"| {name} | {ours[key]:.2f} | {peer[key]:.2f} | {peer[key] / ours[key]:.1f} | {steps:.2f} | "
                     f"{steps / ours[key]:.1f} |")
    lines.append(f"| peak memory, MiB | {mebibytes(ours)} | {mebibytes(peer)} | "
                 f"{peer['peak_bytes'] / ours['peak_bytes']:.1f} | | |")
    return lines


def mclust(read):
    lines = ["| points x 30 | ours, s a start | R's mclust, s a start | ratio | best log-likelihood of ours | of mclust |",
             "|---|---|---|---|---|---|"]
    for r in read:
        lines.append(f"| {r['spots']} | {r['ours']:.3f} | {r['peer']:.3f} | {r['peer'] / r['ours']:.1f} | "
                     f"{r['best']['ours']:.1f} | {r['best']['mclust']:.1f} |")
    return lines


def pipeline(read):
    lines = []
    for r in read:
        lines += [f"{r['spots']} spots, {r['models']} models, {r['threads']} threads; ours trained {r['our_epochs']} "
                  "epochs, `e`: extrapolated.", "",
                  "| stage | ours, s | public, s | ratio | ours, s of processor | public | ratio | ours, GiB | public | "
                  "ratio |", "|---|---|---|---|---|---|---|---|---|---|"]
        for stage, row in r["rows"].items():
            ours, peer = row["ours"], row["peer"]
            cells = []
            for key, unit in (("seconds", 1), ("cpu_seconds", 1), ("peak_bytes", 2**30)):
                cells += [f"{cost[key] / unit:.3g}{' e' if key in cost['extrapolated'] else ''}" for cost in (ours, peer)]
                cells.append(f"{peer[key] / ours[key]:.1f}" if peer[key] else "")
            lines.append(f"| {stage} | {' | '.join(cells)} |")
        lines.append("")
    return lines[:-1]


def growth(read):
    lines = ["| non-zero | spots | tiles | profile | s an epoch | us a spot | less than at 4000 | peak MiB |",
             "|---|---|---|---|---|---|---|---|"]
    for r in read:
        at_4000 = next((o["cpu_seconds"] / 4000 for o in read
                        if (o["spots"], o["density"], o["profile"]) == (4000, r["density"], r["profile"])), None)
        cost = r["cpu_seconds"] / r["spots"]
        less = f"{1 - cost / at_4000:.0%}" if at_4000 and r["spots"] > 4000 else ""
        lines.append(f"| {r['density']:.0%} | {r['spots']} | {r['tiles']} | {r['profile']} | "
                     f"{r['cpu_seconds']:.4g} | {cost * 1e6:.2f} | {less} | {r['peak_bytes'] / 2**20:.0f} |")
    return lines


def main():
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    page = PAGE.read_text()
    parts = {"operations": operations, "growth": growth, "ratios": ratios, "consensus": ratios,
             "prepare": prepare, "prepare_gzip": prepare, "mclust": mclust, "pipeline": pipeline}
    for name, part in parts.items():
        file = RESULTS / f"{name}.json"
        if not file.exists():
            continue
        mark = name if has_avx512() else f"{name}_avx2"
        begin, end = f"<!-- {mark}: by scripts/bench -->\n", f"<!-- end of {mark} -->\n"
        if begin not in page:
            print(f"report: docs/performance.md has no place for {mark}")
            continue
        head, _, rest = page.partition(begin)
        tail = rest.partition(end)[2]
        table = [provenance(), "", *part(json.loads(file.read_text()))]
        page = head + begin + "\n".join(table) + "\n" + end + tail
    PAGE.write_text(page)


if __name__ == "__main__":
    main()
