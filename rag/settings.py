"""Every knob in one frozen object: keyword > ``RAG_*`` environment > ``[tool.rag]`` > default.

``[tool.rag]`` is read from a ``pyproject.toml`` in the current folder, and its paths count from there.
In: keywords, the environment, that file. Out: `Settings`. It does not know what the knobs do, and
creates nothing.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rag.errors import SettingsError

THINKING_TOKENS: Mapping[str, int | None] = {"auto": None, "off": 0, "short": 256, "full": 1024}
"""The token budgets behind ``think``; 512 tokens are about 20 s on two laptop cores.

``auto`` is the model's own budget for questions that compare or list, and none for look-ups.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where things are and how the stages behave.

    ``model`` is a name of the catalogue, a GGUF file or an OpenAI-compatible URL; ``embedding_model`` a
    folder or a hub name; the empty string means the built-in choice for either. ``rerank_model`` is a cross-encoder, by
    folder or hub name, that orders the first hits anew; none by default. ``houses`` is a file of your
    own houses, beside the built-in ones. ``quotes`` and ``answer_tokens`` are the model's own where they are 0, and
    ``threads`` the physical cores. ``prices`` is a file of API prices in place of the built-in ones, ``electricity``
    what a kilowatt-hour costs in USD, ``watts_per_core`` what a busy core takes where no counter tells.
    """

    corpus: Path
    index: Path
    model: str = ""
    embedding_model: str = ""
    rerank_model: str = ""
    houses: Path | None = None
    think: str = "auto"
    quotes: int = 0
    candidates: int = 50
    chunk_words: int = 80
    context_tokens: int = 4096
    answer_tokens: int = 0
    threads: int = 0
    seed: int = 0
    prices: Path | None = None
    electricity: float = 0.30
    watts_per_core: float = 7.0

    @classmethod
    def load(cls, *, folder: Path | None = None, **overrides: object) -> Settings:
        """Gather the settings for ``folder`` (default: the current one); ``None`` overrides are ignored.

        Raises SettingsError for an unknown name or a value of the wrong kind.
        """
        folder = Path.cwd() if folder is None else folder
        named = {**_from_pyproject(folder), **_from_environment(os.environ)}
        named |= {name: value for name, value in overrides.items() if value is not None}
        # An unset shell variable is no wish for the current folder.
        named = {name: value for name, value in named.items() if value != ""}
        known = {field.name for field in dataclasses.fields(cls)}
        if unknown := sorted(set(named) - known):
            raise SettingsError(f"Unknown setting: {', '.join(unknown)}.", remedy=f"Known: {', '.join(sorted(known))}.")
        values = {name: _typed(name, value) for name, value in named.items()}
        corpus, index = _places(folder, values.get("corpus"), values.get("index"))
        settings = cls(**{**values, "corpus": corpus, "index": index})
        settings._check()
        return settings

    def environment(self) -> dict[str, str]:
        """The variables with which a process in the same folder loads the same settings."""
        values = ((f"RAG_{name.upper()}", getattr(self, name)) for name in _KINDS)
        return {name: "" if value is None else str(value) for name, value in values}

    def _check(self) -> None:
        if self.think not in THINKING_TOKENS:
            raise SettingsError(f"think is {self.think!r}.", remedy=f"Use one of: {', '.join(THINKING_TOKENS)}.")
        if self.candidates < 1:
            raise SettingsError("candidates must be at least 1.")
        if not 20 <= self.chunk_words <= 150:
            raise SettingsError(
                f"chunk_words is {self.chunk_words}.",
                remedy="Use 20 to 150: the default embedding model reads no further than 256 tokens.",
            )
        for name in ("quotes", "answer_tokens", "threads"):
            if getattr(self, name) < 0:
                raise SettingsError(f"{name} must not be negative.")
        for name in ("electricity", "watts_per_core"):
            if not 0 <= getattr(self, name) <= 1000:
                raise SettingsError(f"{name} is {getattr(self, name)}.", remedy="Use 0 to 1,000.")
        if not 1024 <= self.context_tokens <= 131_072:
            raise SettingsError(f"context_tokens is {self.context_tokens}.", remedy="Use 1,024 to 131,072.")
        if self.answer_tokens + (THINKING_TOKENS[self.think] or 0) > self.context_tokens // 2:
            raise SettingsError(
                "Thought and answer would fill more than half of the context.",
                remedy="Raise context_tokens, or lower answer_tokens or think.",
            )


_KINDS: Mapping[str, type] = {
    **dict.fromkeys(("corpus", "index", "houses", "prices"), Path),
    **dict.fromkeys(("model", "embedding_model", "rerank_model", "think"), str),
    **dict.fromkeys(("quotes", "candidates", "chunk_words", "context_tokens", "answer_tokens", "threads", "seed"), int),
    **dict.fromkeys(("electricity", "watts_per_core"), float),
}


def _typed(name: str, value: object) -> Any:  # noqa: ANN401 - a path, a string or a number, by name
    kind = _KINDS[name]
    if kind in (int, float) and isinstance(value, bool):
        raise SettingsError(f"{name} must be a number, not {value!r}.")
    try:
        typed = kind(value)
        return typed.expanduser() if isinstance(typed, Path) else typed
    except RuntimeError as error:
        raise SettingsError(f"{name}: {value} names a home folder that is not there.") from error
    except (TypeError, ValueError) as error:
        raise SettingsError(f"{name} must be a {kind.__name__}, not {value!r}.") from error


def _from_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """``RAG_QUOTES=6`` sets ``quotes``; names that are no setting (``RAG_MODELS``) belong to other modules."""
    return {name: environment[key] for name in _KINDS if (key := f"RAG_{name.upper()}") in environment}


def _from_pyproject(folder: Path) -> dict[str, Any]:
    path = folder / "pyproject.toml"
    try:
        tools = tomllib.loads(path.read_text(encoding="utf-8")).get("tool", {})
        table = tools.get("rag", {}) if isinstance(tools, dict) else tools
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}", remedy="Mend the file or leave the folder.") from error
    if not isinstance(table, dict):
        raise SettingsError(f"[tool.rag] in {path} is not a table.")
    if str(table.get("model", "")).startswith(("http:", "https:")):
        # Whoever wrote the folder's files would choose where the user's mail is sent.
        raise SettingsError(
            f"{path} names a server as the model.",
            remedy="Name a server with --model or RAG_MODEL; a folder's own file may not.",
        )
    return {
        name: folder / value if _KINDS.get(name) is Path and isinstance(value, str) else value
        for name, value in table.items()
    }


def _places(folder: Path, corpus: Path | None, index: Path | None) -> tuple[Path, Path]:
    """Choose the corpus and its index.

    An index belongs to one corpus, so a corpus that was named without an index gets one of its own in the
    user's data folder: ``rag --corpus elsewhere`` must not empty the index of the folder one stands in.
    """
    from platformdirs import user_data_path

    data = user_data_path("rag", appauthor=False)
    if corpus is None:
        here = folder / "corpus"
        corpus, beside = (here, folder / "index") if here.is_dir() else (data / "corpus", data / "index")
    else:
        corpus = folder / corpus
        same = corpus.resolve() == (folder / "corpus").resolve()
        digest = hashlib.sha256(str(corpus.resolve()).encode()).hexdigest()[:8]
        beside = folder / "index" if same else data / "indexes" / f"{corpus.resolve().name}-{digest}"
    return corpus, (folder / index) if index is not None else beside
