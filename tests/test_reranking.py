from __future__ import annotations

import json
from pathlib import Path

import pytest

from rag.errors import ModelUnavailable
from rag.reranking import Reranker

WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] copper memory prices rise fall what do".split()


@pytest.fixture(scope="module")
def cross_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of one layer and random weights: what a cross-encoder is on disk, in 100 kB."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizer

    folder = tmp_path_factory.mktemp("cross-encoder")
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(WORDS),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        initializer_range=1.0,
    )
    config.num_labels = 1
    BertForSequenceClassification(config).save_pretrained(folder)
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    return folder


def test_each_passage_gets_a_score_between_no_and_yes(cross_encoder: Path) -> None:
    scores = Reranker(str(cross_encoder)).score("what do memory prices do", ["memory prices rise", "copper", ""])
    assert len(set(scores)) == 3
    assert all(0.0 <= score <= 1.0 for score in scores)


def test_a_passage_is_scored_by_itself(cross_encoder: Path) -> None:
    reranker = Reranker(str(cross_encoder))
    alone = reranker.score("what do memory prices do", ["copper"])[0]
    assert reranker.score("what do memory prices do", ["memory", "copper"])[1] == pytest.approx(alone, abs=1e-5)


def test_no_passages_need_no_model(tmp_path: Path, cross_encoder: Path) -> None:
    assert Reranker(str(cross_encoder)).score("what", []) == []


def test_a_folder_without_safe_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match=r"model\.safetensors"):
        Reranker(str(tmp_path))


def test_a_model_that_brings_code_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").touch()
    (tmp_path / "modeling.py").touch()
    with pytest.raises(ModelUnavailable, match=r"modeling\.py"):
        Reranker(str(tmp_path))


def test_a_model_that_does_not_load_says_which_setting_named_it(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"damaged")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(ModelUnavailable) as raised:
        Reranker(str(tmp_path)).score("what", ["copper"])
    assert "rerank_model" in raised.value.remedy
