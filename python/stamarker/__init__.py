"""The stamarker program from Python: AnnData in, AnnData out.

    import stamarker
    result = stamarker.run(adata, domains=7)
    stamarker.annotate(adata, result)              # domains and genes beside what adata has already

`run` starts the program `stamarker` (of $STAMARKER or the PATH), on several MPI ranks if asked.
"""

from ._annotate import annotate
from ._run import Interrupted, run

__all__ = ["Interrupted", "annotate", "run"]
