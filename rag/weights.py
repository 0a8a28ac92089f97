"""Folders with the weights of sentence-transformers models: where they are, and whether they may be loaded.

In: a folder or a name on the model hub. Out: a folder, or ModelUnavailable. It does not load anything.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from rag.errors import ModelUnavailable


def locate(model: str, *, setting: str) -> Path:
    """The folder of a model that is named by folder or, on the hub, by name; raises ModelUnavailable."""
    folder = Path(model).expanduser()
    if folder.is_dir():
        return folder
    silence_hub()
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        # Neither code nor pickles are even downloaded.
        return Path(snapshot_download(model, allow_patterns=["*.json", "*.txt", "*.safetensors", "*.model"]))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
        raise ModelUnavailable(
            f"The {setting} {model!r} is no folder here and cannot be had from the hub: {error}",
            remedy=f"Name a folder with a sentence-transformers model, or leave {setting} unset.",
        ) from error


def refuse_code(folder: Path, name: str) -> None:
    """Refuse a model that would run code of its own, or that has no safetensors weights.

    sentence-transformers imports Python from a local folder even with trust_remote_code=False
    (CVE-2026-68770), so the folder is inspected before it is loaded.
    """
    remedy = "Use a model whose weights are model.safetensors and that needs no code of its own."
    if not (folder / "model.safetensors").is_file():
        raise ModelUnavailable(f"The model {name!r} has no model.safetensors in {folder}.", remedy=remedy)
    if scripts := sorted(path.name for path in folder.rglob("*.py")):
        raise ModelUnavailable(f"The model {name!r} brings code: {', '.join(scripts)}.", remedy=remedy)
    foreign = [kind for kind in _module_types(folder) if not kind.startswith("sentence_transformers.")]
    if foreign:
        raise ModelUnavailable(f"The model {name!r} names foreign modules: {foreign}.", remedy=remedy)


def _module_types(folder: Path) -> list[str]:
    path = folder / "modules.json"
    if not path.exists():
        return []
    try:
        modules: Any = json.loads(path.read_text(encoding="utf-8"))
        return [str(module["type"]) for module in modules]
    except (ValueError, TypeError, KeyError) as error:
        raise ModelUnavailable(f"{path} is not a list of modules.", remedy="Fetch the model anew.") from error


def silence_hub() -> None:
    """Nothing about a question leaves the machine: no telemetry, no version check."""
    for name in ("HF_HUB_DISABLE_TELEMETRY", "DO_NOT_TRACK", "HF_HUB_DISABLE_IMPLICIT_TOKEN"):
        os.environ.setdefault(name, "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
