from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from rag.errors import IndexBusy
from rag.ownership import ownership


def test_a_second_owner_is_told_who_the_first_is(tmp_path: Path) -> None:
    script = "import sys, time; from pathlib import Path; from rag.ownership import ownership\n"
    script += "with ownership(Path(sys.argv[1])): print('mine', flush=True); time.sleep(60)\n"
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        try:
            with pytest.raises(IndexBusy, match=str(holder.pid)), ownership(tmp_path):
                pass
        finally:
            holder.kill()


def test_the_index_of_an_owner_that_was_killed_is_free_at_once(tmp_path: Path) -> None:
    script = "import os, sys; from pathlib import Path; from rag.ownership import ownership\n"
    script += "with ownership(Path(sys.argv[1])): os.kill(os.getpid(), 9)\n"
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False)
    with ownership(tmp_path):
        assert (tmp_path / "owner.pid").exists()
