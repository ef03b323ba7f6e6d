"""Processes with a given number of threads, and what they took."""
import os
import subprocess
import sys
import time

LIMITS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


def with_threads(threads):
    """That of this process, with `threads` for every library that has threads."""
    return {**os.environ, **{name: str(threads) for name in LIMITS}}


def measured(command, threads):
    """Runs a command with so many threads; what it wrote, and wall time, CPU time and peak memory of its process."""
    start = time.perf_counter()
    process = subprocess.Popen([str(word) for word in command], env=with_threads(threads),
                               stdout=subprocess.PIPE, text=True)
    out = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"{' '.join(map(str, command))} failed")
    return out, {"seconds": time.perf_counter() - start, "cpu_seconds": used.ru_utime + used.ru_stime,
                 "peak_bytes": 1024 * used.ru_maxrss}
