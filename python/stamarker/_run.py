"""Starts the program, shows its log, turns its exit codes into exceptions."""

import collections
import filecmp
import json
import operator
import os
import pathlib
import shlex
import shutil
import signal
import subprocess
import tempfile

import anndata

INPUT_REFUSED = 2  # exit codes of the program, docs/parallel.md
INTERRUPTED = 75


class Interrupted(RuntimeError):
    """The run was asked to end and has saved what it had; `resume=True` goes on from there."""


def run(data, domains, *, output=None, ranks=1, launcher=None, options=None, resume=False,
        overwrite=False, show=print):
    """Runs the whole method and returns its result, spots x selected genes.

    data       AnnData with raw counts in X, or the path of a file or folder that the program reads
    domains    number of spatial domains to find
    output     run directory, kept, and beside it OUTPUT.input.h5ad if data is an AnnData; without it all is
               temporary but the result that is returned
    ranks      MPI ranks, started by `mpirun`; one of them trains a share of the models
    launcher   what starts the ranks instead, for example "srun -n 8"; `ranks` is then not used
    options    keys of `stamarker config`, for example {"models": 10, "input.layer": "counts"}; sections may be
               dictionaries
    resume     go on with the unfinished run in `output`, of the same data
    overwrite  replace what `output` holds
    show       is called with each line of the log; None for silence

    Raises ValueError with the program's own line when data or options will not do, Interrupted when
    the run was ended from outside, RuntimeError for any other failure, FileNotFoundError without a
    program. An interrupt from the keyboard lets the ranks save first.
    """
    if resume and output is None:
        raise ValueError("resume=True needs the output of the run to go on with")
    if launcher is None and operator.index(ranks) < 1:
        raise ValueError(f"ranks = {ranks} (must be at least 1)")
    settings = _nested(options or {})
    for key, argument in (("input.path", "data"), ("output", "output"), ("domains", "domains")):
        if _holds(settings, key):
            raise ValueError(f"options name {key}, which is the argument `{argument}`")
    command = [*_launch(ranks, launcher), _program(), "run"]
    with tempfile.TemporaryDirectory(prefix="stamarker-", ignore_cleanup_errors=True) as scratch:
        scratch = pathlib.Path(scratch)
        where = scratch / "run" if output is None else pathlib.Path(output)
        settings = _merged(settings, _nested({"input.path": str(_as_file(data, where, overwrite)),
                                              "output": str(where), "domains": domains}))
        config = scratch / "config.yaml"
        config.write_text(json.dumps(settings, default=_plain))  # JSON is YAML
        command += [str(config), *["--resume"] * resume, *["--overwrite"] * overwrite]
        _call(command, show or (lambda line: None))
        return anndata.read_h5ad(where / "result.h5ad")


def _program():
    found = os.environ.get("STAMARKER") or shutil.which("stamarker")
    if found is None or not pathlib.Path(found).is_file():
        raise FileNotFoundError(f"no program {found or 'stamarker in the PATH'}; build it (scripts/build) and set "
                                "the environment variable STAMARKER to its path")
    return found


def _launch(ranks, launcher):
    if launcher is not None:
        return shlex.split(launcher) if isinstance(launcher, str) else list(launcher)
    return [] if ranks == 1 else ["mpirun", "-n", str(ranks)]


def _as_file(data, where, is_replaced):
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


def _nested(settings):
    """{"a.b": 1, "a": {"c": 2}} as {"a": {"b": 1, "c": 2}}; `settings` stays as it is."""
    tree = {}
    for key, value in settings.items():
        for name in reversed(key.split(".")):
            value = {name: _nested(value) if isinstance(value, dict) else value}
        tree = _merged(tree, value)
    return tree


def _merged(one, other, place=""):
    """Both trees in one. Raises ValueError where one has a value and the other a section, or both a value."""
    tree = dict(one)
    for key, value in other.items():
        if key not in tree:
            tree[key] = value
        elif isinstance(tree[key], dict) and isinstance(value, dict):
            tree[key] = _merged(tree[key], value, f"{place}{key}.")
        else:
            raise ValueError(f"options give {place}{key} twice")
    return tree


def _holds(tree, key):
    for name in key.split("."):
        if not isinstance(tree, dict) or name not in tree:
            return False
        tree = tree[name]
    return True


def _plain(value):
    """numpy's numbers and arrays, and paths, as YAML knows them."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise ValueError(f"options hold {value!r}, which no key of the configuration takes")


def _call(command, show):
    # A session of its own: an interrupt from the keyboard reaches the ranks through us alone.
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                               start_new_session=True)
    last = collections.deque(maxlen=20)

    def follow(with_line):
        for line in process.stdout:
            line = line.rstrip("\n")
            last.append(line)
            with_line(line)
        return process.wait()

    try:
        code = follow(show)
    except BaseException:
        process.send_signal(signal.SIGUSR1)  # mpirun and srun pass this one on
        try:
            follow(lambda line: None)
        except BaseException:  # a second interrupt: whoever sent it does not want to wait
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
        raise
    if code == 0:
        return
    errors = [line for line in last if line.startswith("stamarker: error:")]
    if code == INPUT_REFUSED and errors:
        message = errors[0].removeprefix("stamarker: error:").strip()
        raise ValueError(message.replace("--resume", "resume=True").replace("--overwrite", "overwrite=True"))
    if code == INTERRUPTED:
        raise Interrupted("the run was interrupted and has saved what it had; resume=True goes on")
    raise RuntimeError(f"{' '.join(command)} ended with {code}:\n" + "\n".join(last))
