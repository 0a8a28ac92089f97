from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from rag import bert, exported
from rag.embedding import _built_in
from rag.exported import Runner, form

_SHAPE = {"hidden_size": 32, "num_attention_heads": 4, "intermediate_size": 64, "num_hidden_layers": 2}
_WORDS = 30522


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own: the user's is left alone."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path))  # where the cache is on a Mac
    return exported._place()


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A model of somebody's own: the built-in one's tokenizer, and two narrow layers of random weights."""
    folder = tmp_path / "model"
    shutil.copytree(_built_in(), folder, ignore=shutil.ignore_patterns("*.safetensors", "README.md"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **_SHAPE}))
    chance = np.random.default_rng(0)
    wide, inner = _SHAPE["hidden_size"], _SHAPE["intermediate_size"]
    shapes = {
        "embeddings.word_embeddings.weight": (_WORDS, wide),
        "embeddings.position_embeddings.weight": (512, wide),
        "embeddings.token_type_embeddings.weight": (2, wide),
    }
    for layer in (f"encoder.layer.{number}" for number in range(_SHAPE["num_hidden_layers"])):
        for part in ("self.query", "self.key", "self.value", "output.dense"):
            shapes[f"{layer}.attention.{part}.weight"] = (wide, wide)
        shapes |= {f"{layer}.intermediate.dense.weight": (inner, wide), f"{layer}.output.dense.weight": (wide, inner)}
    weights = {name: chance.normal(0, 0.3, shape).astype(np.float32) for name, shape in shapes.items()}
    biases = {name.replace("weight", "bias"): row[:, 0].copy() for name, row in weights.items() if "encoder" in name}
    norms = ["embeddings.LayerNorm", *(f"encoder.layer.{n}.{one}.LayerNorm" for n in (0, 1) for one in ("attention.output", "output"))]  # fmt: skip # noqa: E501
    for norm in norms:
        biases |= {f"{norm}.weight": np.ones(wide, np.float32), f"{norm}.bias": np.zeros(wide, np.float32)}
    save_file(weights | biases, folder / "model.safetensors")
    return folder


def graph_of(folder: Path) -> bytes:
    made = form(folder)
    assert made.read
    return made.read()


def kept(cache: Path) -> list[Path]:
    return sorted(cache.iterdir())


def test_the_built_in_model_passes_the_check_and_is_kept_as_small_integers(cache: Path) -> None:
    made = form(_built_in())
    assert made.fingerprint.startswith("53aa51172d142c89-")
    assert made.fingerprint.endswith(f"-int8.{exported.VERSION}")
    assert [path.stat().st_size < 24_000_000 for path in kept(cache)] == [True]


def test_a_model_of_another_shape_is_exported_as_sentence_transformers_runs_it(small: Path) -> None:
    from sentence_transformers import SentenceTransformer

    texts = ["one", "two words", "three words here " * 200]
    reference = SentenceTransformer(str(small), device="cpu").encode(texts, normalize_embeddings=True)
    assert Runner(small, bert.graph(small, exact=True)).embed(texts) == pytest.approx(reference, abs=1e-5)


def test_a_form_that_is_kept_is_not_made_again(small: Path, cache: Path) -> None:
    made = form(small).fingerprint, graph_of(small)
    before = [path.stat().st_mtime_ns for path in kept(cache)]
    assert (form(small).fingerprint, graph_of(small)) == made
    assert [path.stat().st_mtime_ns for path in kept(cache)] == before


@pytest.mark.parametrize("damage", [b"", b"{}", b"[]\nx", b"null\n"])
def test_a_damaged_form_is_made_again(small: Path, cache: Path, damage: bytes) -> None:
    made = form(small).fingerprint, graph_of(small)
    (path,) = kept(cache)
    path.write_bytes(damage or path.read_bytes()[:-1])
    assert (form(small).fingerprint, graph_of(small)) == made
    assert exported._read(path) == made[1]


def test_a_flipped_bit_is_found_before_the_graph_runs(small: Path, cache: Path) -> None:
    whole = graph_of(small)
    (path,) = kept(cache)
    raw = bytearray(path.read_bytes())
    raw[-9] ^= 1
    path.write_bytes(raw)
    assert graph_of(small) == whole
    assert exported._read(path) == whole


def test_other_weights_in_the_same_place_are_another_form(small: Path) -> None:
    before = form(small)
    weights = load_file(small / "model.safetensors")
    save_file({name: values * 2 for name, values in weights.items()}, small / "model.safetensors")
    assert form(small).fingerprint != before.fingerprint


def test_a_model_that_eight_bits_cannot_hold_stays_in_float32(small: Path) -> None:
    weights = load_file(small / "model.safetensors")
    for layer in range(_SHAPE["num_hidden_layers"]):  # one channel drowns the others
        weights[f"encoder.layer.{layer}.attention.output.LayerNorm.weight"][0] = 3000
        weights[f"encoder.layer.{layer}.intermediate.dense.weight"][:, 0] /= 3000
        weights[f"encoder.layer.{layer}.output.dense.weight"] *= 300
    save_file(weights, small / "model.safetensors")
    assert form(small).fingerprint.endswith(f"-float32.{exported.VERSION}")


def test_a_model_that_cannot_be_exported_has_no_graph_and_is_not_hashed_twice(small: Path, cache: Path) -> None:
    (small / "config_sentence_transformers.json").write_text('{"prompts": {"query": "query: "}}')
    made = form(small)
    assert (made.read, len(made.fingerprint), len(kept(cache))) == (None, 16 + 1 + 8, 1)


def test_weights_that_lack_a_layer_are_left_to_sentence_transformers(small: Path) -> None:
    weights = load_file(small / "model.safetensors")
    save_file({name: values for name, values in weights.items() if "layer.1" not in name}, small / "model.safetensors")
    assert form(small).read is None


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_a_broken_package_is_told_and_makes_no_other_form(small: Path, cache: Path, package: str) -> None:
    code = (
        f"import sys, pathlib; sys.modules['{package}'] = None; import rag.exported as e;"
        "from rag.errors import ModelUnavailable\n"
        "try: e.form(pathlib.Path(sys.argv[1]))\nexcept ModelUnavailable as error: print(error.remedy)"
    )
    told = subprocess.run([sys.executable, "-c", code, str(small)], capture_output=True, text=True, check=True).stdout
    assert "pip install --force-reinstall onnx onnxruntime" in told
    assert graph_of(small) != b""


def test_a_full_disk_is_not_filled_further(small: Path, cache: Path) -> None:
    pytest.importorskip("resource")  # not on Windows
    code = (
        "import sys, pathlib, resource, signal, rag.exported as e; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000)); e.form(pathlib.Path(sys.argv[1]))"
    )
    subprocess.run([sys.executable, "-c", code, str(small)], check=True)
    assert kept(cache) == []


def test_a_cache_that_cannot_be_written_to_is_no_hindrance(small: Path, cache: Path) -> None:
    cache.parent.mkdir(parents=True)
    cache.write_text("no folder")
    assert graph_of(small) == graph_of(small) != b""


def test_the_cache_keeps_the_newest_forms_only(small: Path, cache: Path) -> None:
    for number in range(exported._KEPT + 2):
        os.utime(small / "config.json", ns=(number, number))
        newest = form(small).fingerprint
    assert len(kept(cache)) == exported._KEPT
    assert (newest, True) in [exported._named(path) for path in kept(cache)]


def test_two_that_make_a_form_at_once_have_the_same(small: Path, cache: Path) -> None:
    code = "import sys, pathlib, rag.exported as e; print(e.form(pathlib.Path(sys.argv[1])).fingerprint)"
    begun = [subprocess.Popen([sys.executable, "-c", code, str(small)], stdout=subprocess.PIPE) for _ in range(2)]
    said = [process.communicate()[0] for process in begun]
    assert said[0] == said[1] == f"{form(small).fingerprint}\n".encode()
    assert len(kept(cache)) == 1


def test_a_vector_is_the_same_whatever_is_embedded_with_it(small: Path) -> None:
    runner = Runner(small, graph_of(small))
    texts = ["one", "two words " * 50, "", "three"]
    together = runner.embed(texts)
    assert np.array_equal(together, np.vstack([runner.embed([text]) for text in texts]))
    assert runner.embed([]).shape == (0, _SHAPE["hidden_size"])


def test_several_threads_may_embed_at_once(small: Path) -> None:
    runner = Runner(small, graph_of(small))
    texts = [f"text {number} " * number for number in range(20)]
    alone, found = runner.embed(texts), list[np.ndarray]()
    threads = [threading.Thread(target=lambda: found.append(runner.embed(texts))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(alone, one) for one in found)


def test_the_runtime_keeps_nothing_to_tell_its_maker(small: Path, tmp_path: Path) -> None:
    # It is silent by itself where CI is set.
    loud = {name: value for name, value in os.environ.items() if name != "CI" and not name.startswith("ORT_")}
    code = (
        "import sys, pathlib, rag.exported as e; f = pathlib.Path(sys.argv[1]);e.Runner(f, e.form(f).read()).embed('x')"
    )
    subprocess.run([sys.executable, "-c", code, str(small)], env=loud, check=True)
    assert os.listdir(tmp_path / "cache") == ["rag"]
