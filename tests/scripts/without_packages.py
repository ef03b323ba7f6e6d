"""without_packages.py SCRIPT [argument...]: runs a Python script with stand-ins for all that Python does not bring along.

So it starts at once, whatever is installed, and can do no work.
"""
import importlib.abc
import importlib.machinery
import pathlib
import runpy
import sys
from unittest import mock


class StandIns(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds every module that is neither Python's own nor next to the script."""

    def __init__(self, folder):
        self.folder = folder

    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top in sys.stdlib_module_names or (self.folder / f"{top}.py").exists():
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec):
        return mock.MagicMock(name=spec.name)

    def exec_module(self, module):
        pass


script = pathlib.Path(sys.argv[1])
sys.argv = sys.argv[1:]
sys.path[0] = str(script.parent)
sys.meta_path.insert(0, StandIns(script.parent))
runpy.run_path(str(script), run_name="__main__")
