"""The layers, the lazy imports and the public names are what the design says."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import rag

PACKAGE = Path(rag.__file__).parent
HEAVY = (
    *("torch", "sentence_transformers", "transformers", "onnx", "onnxruntime"),
    *("chromadb", "gradio", "llama_cpp", "mcp"),
)

# Lowest first; a module imports only from lower rows, and from its own row only what stands to its left.
LAYERS = (
    ("errors", "records", "atomic"),
    ("settings", "companies", "figures", "terms", "houses", "sentences", "stems", "prompts"),
    ("cuewords", "periods", "mentions", "addressees", "questions", "frames", "followups", "coverage", "sought"),
    ("readers", "replies", "quotations", "cues", "asides", "prose", "turns", "attribution", "chunking", "reading"),
    ("scanning", "uploads", "copies", "amounts", "statements", "stances", "comparing"),
    ("polarity", "evidence", "turning", "checks", "citations"),
    ("tuning", "weights", "bert", "exported", "embedding", "reranking"),
    ("llm", "vocabulary", "gguf", "prefixes", "llama"),
    ("server", "modelfiles", "downloads", "models"),
    ("ownership", "lexicon", "schema", "conditions", "facets", "contents", "starters", "store"),
    ("history", "vectors", "imap", "mirror"),
    ("duplicates", "indexing", "watching", "upkeep", "twins", "passages", "retrieval", "quoting", "gate"),
    ("fitting", "costs"),
    ("speeds", "loading", "status", "answering", "assistant"),
    ("__init__", "present", "receipts", "verifying", "page", "guard", "passwords", "arguments", "console", "inbox"),
    (
        "metrics",
        "questionsets",
        "evaluation",
        "judging",
        "plots",
        "scorecard",
        "limits",
        "scaling",
        "bench",
        "speedcard",
    ),
    ("cli", "__main__"),
)
ORDER = [name for row in LAYERS for name in row]


def modules() -> dict[str, Path]:
    files = {path.stem: path for path in PACKAGE.glob("*.py")}
    return {**files, **{name: PACKAGE / name / "__init__.py" for name in ("readers", "page")}}


def imported(path: Path) -> set[str]:
    """The modules of the package that a file imports, anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "rag":
            found |= {alias.name if alias.name in ORDER else "__init__" for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("rag."):
            found.add((node.module or "").split(".")[1])
        elif isinstance(node, ast.Import):
            found |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("rag.")}
    return found


def test_every_module_has_a_layer() -> None:
    assert set(modules()) == set(ORDER)


@pytest.mark.parametrize("name", ORDER)
def test_a_module_imports_only_from_lower_layers(name: str) -> None:
    for other in imported(modules()[name]) - {name}:
        if name == "arguments" and other == "__init__":
            continue  # for the version, inside a function
        assert ORDER.index(other) < ORDER.index(name)


@pytest.mark.parametrize("path", sorted(PACKAGE.glob("readers/*.py")), ids=lambda path: path.stem)
def test_readers_know_only_errors_and_records(path: Path) -> None:
    assert imported(path) <= {"errors", "records", "readers"}


@pytest.mark.parametrize("path", sorted(PACKAGE.glob("page/*.py")), ids=lambda path: path.stem)
def test_the_page_imports_only_from_lower_layers(path: Path) -> None:
    assert all(ORDER.index(other) <= ORDER.index("page") for other in imported(path))


def test_only_the_page_imports_gradio() -> None:
    for path in set(PACKAGE.rglob("*.py")) - set(PACKAGE.glob("page/*.py")):
        assert "gradio" not in {
            (alias.name if isinstance(node, ast.Import) else node.module or "").split(".")[0]
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in node.names
        }


@pytest.mark.parametrize(
    "code",
    [
        "import rag",
        "import rag.cli; rag.cli.main(['status'])",
        "import rag.cli\ntry: rag.cli.main(['--help'])\nexcept SystemExit: pass",
        "import app",
    ],
)
def test_what_needs_no_model_loads_no_heavy_library(code: str, tmp_path: Path) -> None:
    check = f"\nimport sys; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code + check], capture_output=True, text=True, check=True, cwd=tmp_path,
        env={**__import__("os").environ, "PYTHONPATH": str(PACKAGE.parent)},
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_public_names_are_exactly_those_that_exist() -> None:
    assert sorted(rag.__all__) == rag.__all__
    assert all(hasattr(rag, name) for name in rag.__all__)


def test_asking_loads_nothing_that_only_reading_mail_or_checking_prose_needs() -> None:
    code = (
        "import rag.assistant, rag.present, sys; "
        "print([name for name in ('reading', 'readers.files', 'attribution', 'duplicates', 'citations', 'starters',"
        " 'comparing') if f'rag.{name}' in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_no_module_is_longer_than_a_reader_s_patience() -> None:
    lengths = {path.name: len(path.read_text(encoding="utf-8").splitlines()) for path in PACKAGE.rglob("*.py")}
    assert {name: length for name, length in lengths.items() if length > 460} == {}


def test_every_command_stands_in_the_readme() -> None:
    from rag.arguments import COMMANDS

    readme = (PACKAGE.parent / "README.md").read_text(encoding="utf-8")
    assert [name for name in COMMANDS if f"rag {name}" not in readme] == []
