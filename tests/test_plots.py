from __future__ import annotations

import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from rag.errors import RagError, SettingsError
from rag.metrics import Estimate
from rag.plots import draw, require

BARS = [("hits@1", "passages", Estimate(0.8, 0.6, 1.0, 20)), ("refusals", "refusals", Estimate(0.5, 0.0, 1.0, 4))]


def test_a_picture_is_a_png_of_a_readable_size(tmp_path: Path) -> None:
    file = tmp_path / "eval.png"
    seconds = {"search": [0.01, 0.02], "first-token": [1.0, 2.0], "total": [9.0, 12.0]}
    draw(file, title="20 questions", bars=BARS, seconds=seconds, curve=[(0.5, 0.0), (1.0, 0.25)], judged=20)
    data = file.read_bytes()
    width, height = struct.unpack(">II", data[16:24])
    assert data.startswith(b"\x89PNG")
    assert width > 1500
    assert height > 900


def test_dollars_in_a_file_name_are_no_formula(tmp_path: Path) -> None:
    draw(tmp_path / "p", title=r"$\frac{1$.jsonl", bars=BARS, seconds={"search": [0.1]}, curve=[], judged=0)
    assert (tmp_path / "p").read_bytes().startswith(b"\x89PNG")


def test_nothing_measured_is_drawn_as_nothing(tmp_path: Path) -> None:
    draw(tmp_path / "p", title="", bars=[], seconds={}, curve=[], judged=0)
    assert (tmp_path / "p").read_bytes().startswith(b"\x89PNG")


def test_where_nothing_can_be_written_is_known_before_anything_is_asked(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "none" / "p.png"):
        with pytest.raises(SettingsError, match="cannot be written"):
            require(place)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_may_only_be_read_is_known_before_anything_is_asked(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(SettingsError, match="cannot be written"):
        require(tmp_path / "p.png")


def test_a_disk_that_refuses_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RagError, match="cannot be written"):
        draw(tmp_path, title="", bars=BARS, seconds={}, curve=[], judged=0)


def test_without_matplotlib_the_remedy_installs_it(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "from pathlib import Path; from rag.errors import RagError; from rag.plots import require\n"
        "try: require(Path('p.png'))\nexcept RagError as error: print(error.remedy)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout == "pip install 'rag[plot]'\n"
