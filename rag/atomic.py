"""A file that is whole or not there.

In: a path, and what it is to hold. Out: that file. It does not know what is in it.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path


def write_atomically(path: Path, data: bytes | str) -> None:
    """Write ``data`` so that ``path`` holds either what it held or all of it, whoever writes it at the same time.

    Makes its folder. What a full disk or Ctrl-C leaves of it is deleted, and would be another piece at every start.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}")
    try:
        part.write_bytes(data.encode() if isinstance(data, str) else data)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
