"""What every peer shares: the section file of bench/stage_time, and how a peer reports.

A peer is a program that prints one line of JSON:
  seconds         wall time of one unit of the work (an epoch, a start, a whole stage), median
  cpu_seconds     CPU time of it, all threads, mean
  peak_bytes      largest resident memory of the process
  losses, ...     whatever shows that it computed the same as ours
"""
import json
import resource
import statistics
import time

import h5py
import numpy


def read_section(path):
    """The arrays of a section file by name; layout: bench/section_file.hpp."""
    with h5py.File(path) as file:
        section = {}
        file.visititems(lambda name, item: section.update({name: item[()]})
                        if isinstance(item, h5py.Dataset) else None)
    return section


def dense_expression(section):
    """X [n_spots, n_genes] in float32, as the public code holds it."""
    row_start = section["expression/row_start"]
    x = numpy.zeros((len(row_start) - 1, int(section["expression/n_cols"])), numpy.float32)
    rows = numpy.repeat(numpy.arange(len(row_start) - 1), numpy.diff(row_start))
    x[rows, section["expression/column"]] = section["expression/value"]
    return x


def timed(work, n_repeats, wait=lambda: None):
    """Calls work(0), work(1), ...; median wall and mean processor seconds of a call."""
    wall, cpu_start = [], time.process_time()
    for k in range(n_repeats):
        start = time.perf_counter()
        work(k)
        wait()
        wall.append(time.perf_counter() - start)
    return {"seconds": statistics.median(wall),
            "cpu_seconds": (time.process_time() - cpu_start) / n_repeats}


def report(**values):
    """Prints the line."""
    values["peak_bytes"] = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps(values))
