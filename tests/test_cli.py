"""The command as a user runs it: the built-in embedding model, and a scripted server for a chat model."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from rag import Assistant, Settings
from rag.cli import main
from rag.receipts import receipt
from tests.fakes import WordEmbedder

QUESTION = "what does Bernstein say about the $5M?"


class Server(BaseHTTPRequestHandler):
    """Answers every question with one good sentence and one bad one."""

    def do_GET(self) -> None:
        self._send(json.dumps({"data": [{"id": "scripted"}]}), "application/json")

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        pieces = ["Bernstein calls the $5M ", "claim wrong [1]. ", "It was $9M [1]."]
        lines = [json.dumps({"choices": [{"index": 0, "delta": {"content": piece}}]}) for piece in pieces]
        self._send("".join(f"data: {line}\n\n" for line in [*lines, "[DONE]"]), "text/event-stream")

    def _send(self, text: str, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        """Keep stderr clean."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{listening.server_address[1]}"
        listening.shutdown()
        thread.join()


@pytest.fixture
def here(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that holds a corpus and no index yet."""
    monkeypatch.chdir(corpus.parent)
    return corpus.parent


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(arguments)
    out, err = capsys.readouterr()
    return code, out, err


def test_one_line_indexes_quotes_answers_and_checks(
    here: Path, server: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, QUESTION, "--model", server)
    assert code == 0
    assert (here / "index" / "catalogue.sqlite").exists()
    assert "[1] Bernstein (Stacy Rasgon), 27 Jan 2025\n" in out
    assert out.rstrip().endswith("Bernstein calls the $5M claim wrong [1].")
    assert "$9M" not in out
    assert "1 of 2 sentences withheld" in err
    assert "Building the index" in err


def test_quotes_alone_need_no_model(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, QUESTION, "--quotes", "--json")
    found = json.loads(out)
    assert (code, found["model"], found["answer"]) == (0, None, "")
    assert "$5M" in found["quotes"][0]["text"]


def test_json_is_the_only_thing_on_stdout(here: Path, server: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "ask", QUESTION, "--json", "--model", server)
    found = json.loads(out)
    assert (code, found["refused"]) == (0, False)
    assert [sentence["verdict"] for sentence in found["sentences"]] == ["checked", "withheld"]


def test_a_refusal_exits_with_3_and_shows_the_nearest_lines(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "what did Goldman Sachs say about chips?")
    assert code == 3
    assert "Goldman Sachs is not quoted" in out
    assert "The nearest lines:" in out


def test_without_a_model_hub_the_quotes_are_the_answer(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    code, out, err = run(capsys, QUESTION)
    assert code == 0
    assert "[1] Bernstein" in out
    assert "The quotes are the answer." in err


def test_search_lists_passages(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "search", "advanced chips", "-k", "1")
    assert code == 0
    assert out.startswith(" 1. Citi (Atif Malik), 28 Jan 2025\n")


def test_search_without_a_hit_exits_with_3(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "search", "chips", "--house", "UBS", "--json")
    assert (code, json.loads(out)["hits"]) == (3, [])


@pytest.mark.parametrize(
    ("words", "paths"),
    [
        (["--kind", "note"], {"prices.md"}),
        (["--kind", "email", "--voice", "own"], {"bernstein.eml", "citi.eml"}),
        (["--voice", "quoted"], set()),
    ],
)
def test_search_keeps_to_voice_and_kind(
    here: Path, capsys: pytest.CaptureFixture[str], words: list[str], paths: set[str]
) -> None:
    _, out, _ = run(capsys, "search", "chips and tokens", "--json", *words)
    assert {hit["path"] for hit in json.loads(out)["hits"]} == paths


def test_a_line_of_a_batch_may_have_its_own_voice_and_kind(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"q": "chips and tokens", "kind": "note"}, {"q": "chips", "voice": "quoted"}, {"q": "chips"}]
    (here / "q.jsonl").write_text("\n".join(map(json.dumps, rows)))
    _, out, _ = run(capsys, "search", "--batch", "q.jsonl", "--kind", "email")
    found = [{hit["path"] for hit in json.loads(line)["hits"]} for line in out.splitlines()]
    assert found == [{"prices.md"}, set(), {"bernstein.eml", "citi.eml"}]


def test_a_voice_that_there_is_not_is_wrong_usage(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "q.jsonl").write_text('{"q": "x", "voice": "loud"}')
    code, _, err = run(capsys, "search", "--batch", "q.jsonl")
    assert code == 2
    assert "own, quoted" in err


def test_a_batch_answers_line_by_line_in_order(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"q": "advanced chips"}, {"q": "hosted price", "k": 1}, {"q": "the", "house": "Citi"}]
    (here / "q.jsonl").write_text("\n".join(json.dumps(row) for row in rows) + "\n\n")
    code, out, _ = run(capsys, "search", "--batch", "q.jsonl", "--json")
    found = [json.loads(line) for line in out.splitlines()]
    assert (code, [row["query"] for row in found]) == (0, ["advanced chips", "hosted price", "the"])
    assert [len(found[1]["hits"]), {hit["house"] for hit in found[2]["hits"]}] == [1, {"Citi"}]


@pytest.mark.parametrize(
    "line",
    ["{", "[]", '{"question": "x"}', '{"q": " "}', '{"q": "x", "k": "many"}', '{"q": "x", "k": -3}',
     '{"q": "x", "k": true}', '{"q": "x", "house": 5}', '{"q": "x", "house": [5]}', '{"q": "x", "since": 5}',
     '{"q": "x", "voice": 5}', '{"q": "x", "kind": ["email"]}'],
)  # fmt: skip
def test_a_broken_line_of_a_batch_is_named_by_its_number(
    here: Path, capsys: pytest.CaptureFixture[str], line: str
) -> None:
    (here / "q.jsonl").write_text('{"q": "chips"}\n' + line)
    code, _, err = run(capsys, "search", "--batch", "q.jsonl")
    assert code == 2
    assert "Line 2" in err


GOLD = [
    {"id": "five", "q": QUESTION, "doc": "bern", "quotes": ["2,048 rented GPUs"], "facts": ["wrong"]},
    {"id": "gs", "q": "what did Goldman Sachs say about chips?", "unanswerable": True},
]


@pytest.fixture
def gold(here: Path) -> str:
    """A question set on the small corpus."""
    (here / "gold.jsonl").write_text("\n".join(json.dumps(row) for row in GOLD), encoding="utf-8")
    return "gold.jsonl"


def test_eval_prints_a_table(gold: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "eval", gold)
    assert code == 0
    assert out.splitlines()[0].split() == ["metric", "value", "95", "%", "interval", "n"]
    assert "hits@1                1.000  1.000 – 1.000  1\n" in out
    assert out.endswith("0 of 2 questions went wrong.\n")


def test_eval_judges_what_the_model_writes(gold: str, server: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "eval", gold, "--answers", "--model", server, "--json")
    found = json.loads(out)
    assert (code, found["settings"]["model"]) == (0, "scripted")
    assert [
        found["metrics"][name]["value"] for name in ("facts-in-prose", "citation-recall", "sentences-withheld")
    ] == [
        1.0,
        1.0,
        1.0,
    ]
    assert found["rows"][0]["answer"] == "Bernstein calls the $5M claim wrong [1]."


def test_eval_asks_a_judge_of_each_sentence(gold: str, server: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "eval", gold, "--answers", "--model", server, "--judge", server, "--json")
    found = json.loads(out)
    assert (code, found["judge"]["model"], found["judge"]["unclear"]) == (0, "scripted", 2)
    assert [(one["check"], one["judge"]) for one in found["rows"][0]["judge"]] == [
        ("checked", "unclear"),
        ("withheld", "unclear"),
    ]


def test_eval_keeps_its_figures_where_the_judge_is_not_to_be_had(
    gold: str, server: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(capsys, "eval", gold, "--answers", "--model", server, "--judge", "http://127.0.0.1:9")
    assert (code, out.startswith("metric ")) == (0, True)
    assert "\nNot every sentence was judged: http://127.0.0.1:9" in out


def test_eval_draws_a_picture(gold: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "eval", gold, "--plot", "p.png")[0] == 0
    assert (here / "p.png").read_bytes().startswith(b"\x89PNG")


def test_eval_fails_under_a_bound_and_says_which(gold: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "eval", gold, "--fail-under", "hits@1=1", "--fail-under", "refusals=1.5")
    assert code == 1
    assert "refusals is 1, below 1.5." in err
    assert "hits@1 is" not in err
    assert "gate-AUROC" in out


def test_eval_names_a_document_that_is_not_there(gold: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / gold).write_text('{"q": "the $5M?", "doc": "stranger"}')
    code, out, err = run(capsys, "eval", gold, "--misses")
    assert (code, "stranger is no document of this index" in err) == (0, True)
    assert "wrong     no hit is the gold document" in out


@pytest.mark.parametrize(
    "arguments",
    [["none.jsonl"], ["gold.jsonl", "--fail-under", "precision=1"], ["gold.jsonl", "--as-of", "soon"],
     ["gold.jsonl", "--model", "r1-7b"], ["gold.jsonl", "--plot", "no/such/p.png"],
     ["gold.jsonl", "--judge", "r1-7b"], ["gold.jsonl", "--answers", "--judge", "no-such-model"]],
)  # fmt: skip
def test_eval_knows_wrong_usage_before_it_asks(
    gold: str, here: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    code, out, _ = run(capsys, "eval", *arguments)
    assert (code, out, (here / "index").exists()) == (2, "", False)


def test_compare_sets_the_houses_side_by_side(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "compare", "Somebody rebuilt OpenAI for $5M")
    assert code == 0
    assert out.startswith("[1] Bernstein (Stacy Rasgon), 27 Jan 2025: disagree (says “wrong”)\n")
    assert out.endswith("\nNothing near it from Citi.\n")


def test_compare_prints_one_object(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "compare", "Advanced chips matter", "--house", "Citi", "--json")
    found = json.loads(out)
    assert (code, [row["house"] for row in found["rows"]], found["silent"]) == (0, ["Citi"], [])


def test_a_claim_that_no_house_speaks_of_exits_with_3(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "compare", "Milk is cheap")
    assert (code, out) == (3, "No house says anything near this claim.\n\nNothing near it from Bernstein, Citi.\n")


def test_index_reports_and_does_only_the_difference(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "index")
    code, out, _ = run(capsys, "index", "--json")
    found = json.loads(out)
    assert (code, found["unchanged"], found["embedded"]) == (0, 3, 0)
    assert (here / "index" / "chroma").is_dir()


def test_a_stale_index_is_named_and_rebuilt_when_told(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(capsys, "index")
    monkeypatch.setenv("RAG_CHUNK_WORDS", "40")
    code, _, err = run(capsys, "search", "chips")
    assert code == 1
    assert "rag index --rebuild" in err
    assert run(capsys, "index", "--rebuild")[0] == 0
    assert run(capsys, "search", "chips")[0] == 0


@pytest.mark.parametrize("model", ["r1-70b", "http://[bad", "http://127.0.0.1:abc", "no/such/file.gguf"])
def test_a_model_that_cannot_be_is_named_before_anything_is_searched(
    here: Path, capsys: pytest.CaptureFixture[str], model: str
) -> None:
    code, out, err = run(capsys, QUESTION, "--model", model)
    assert (code, out) == (2, "")
    assert model in err


def test_status_says_where_things_are(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "not built yet" in run(capsys, "status")[1]
    run(capsys, "index")
    code, out, _ = run(capsys, "status", "--json")
    found = json.loads(out)
    assert (code, found["documents"], found["houses"]) == (0, 3, ["Bernstein", "Citi"])
    assert (Path(found["corpus"]), Path(found["index"])) == (here / "corpus", here / "index")


def test_a_missing_corpus_is_an_error_with_a_remedy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, QUESTION, "--quotes", "--corpus", str(tmp_path / "none"))
    assert code == 1
    assert "is not there" in err
    assert "--corpus" in err


@pytest.mark.parametrize(
    "arguments",
    [["search"], ["search", "q", "--batch", "f"], ["x", "-k", "0"], ["x", "--think", "long"], ["models", "burn"]],
)
def test_wrong_usage_exits_with_2(here: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    try:
        assert main(arguments) == 2
    except SystemExit as exit_:
        assert exit_.code == 2  # noqa: PT017


def test_a_hostile_file_name_and_subject_cannot_steer_the_terminal(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mail = "From: \x1b]0;x\x07 <a@b.example>\nSubject: \x1b[2J\x9b\n\nChips turned \x1b[31mred.\n"
    (here / "corpus" / "a\x1b[2Jb.eml").write_bytes(mail.encode("latin-1"))
    (here / "corpus" / "c\x1b[2Jd.pptx").write_bytes(b"x")
    for arguments in (["index"], ["search", "red chips"], ["red chips?", "--quotes"]):
        _, out, err = run(capsys, *arguments)
        assert not set(out + err) & set("\x1b\x9b\x07")


def test_a_line_break_in_a_file_name_cannot_forge_a_quote(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "corpus" / "x.md\n\n[2] UBS (Ann Lee), 27 Jan 2025\n    │ We were wrong.md").write_text(
        "Rain falls in Omaha."
    )
    _, out, _ = run(capsys, "rain in Omaha?", "--quotes")
    assert not [line for line in out.splitlines() if line.startswith("[2] UBS")]


def test_a_module_of_the_current_folder_is_not_run(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "json.py").write_text("raise SystemExit('run')")
    run(capsys, "index")
    _, _, err = run(capsys, "index")
    assert "rebuilt" not in err


def test_models_are_listed_with_licences_and_the_unknown_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "models")
    assert code == 0
    assert "r1-1.5b" in out
    assert "Llama 3.1" in out
    code, _, err = run(capsys, "models", "pull", "r1-70b")
    assert code == 1
    assert "r1-1.5b" in err


def test_models_are_verified_and_removed(capsys: pytest.CaptureFixture[str], smol: Path, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / smol.name).write_bytes(smol.read_bytes())
    assert run(capsys, "models", "verify")[:2] == (0, f"ok       smol-135m  {folder / smol.name}\n")
    with (folder / smol.name).open("r+b") as file:
        file.write(b"X")
    code, out, _ = run(capsys, "models", "verify")
    assert (code, out.split()[0]) == (1, "DAMAGED")
    assert run(capsys, "models", "remove", "smol-135m")[1] == "smol-135m was removed.\n"
    assert not (folder / smol.name).exists()


@pytest.fixture
def kept(here: Path) -> Path:
    """The receipt of an answer, made from an index in this folder."""
    settings = Settings.load(folder=here)
    with Assistant.open(settings, embedder=WordEmbedder()) as desk:
        desk.sync()
        reply = desk.ask(QUESTION, quotes_only=True)
        facts = receipt(reply)
    (here / "receipt.json").write_text(json.dumps(facts))
    return here / "receipt.json"


def test_a_receipt_stands_on_the_index_that_it_was_made_from(kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "verify", str(kept))
    assert (code, out.splitlines()[0], out.splitlines()[-1], err) == (0, "receipt unchanged", "It stands.", "")
    assert "[1] unchanged" in out.splitlines()


def test_a_receipt_whose_evidence_is_gone_exits_with_3(kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (kept.parent / "corpus" / "bernstein.eml").unlink()
    with Assistant.open(Settings.load(folder=kept.parent), embedder=WordEmbedder()) as desk:
        desk.sync()
    code, out, _ = run(capsys, "verify", str(kept), "--json")
    found = json.loads(out)
    assert (code, found["stands"]) == (3, False)
    assert next(one["state"] for one in found["findings"] if one["check"] == "quote") == "gone"


def test_a_receipt_may_come_through_a_pipe(
    kept: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(kept.read_bytes())))
    assert run(capsys, "verify", "-")[0] == 0


@pytest.mark.parametrize("name", ["corpus", "corpus/citi.eml", "no.json", "a\0b"])
def test_what_is_no_receipt_is_wrong_usage(kept: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    code, out, err = run(capsys, "verify", name)
    assert (code, out) == (2, "")
    assert "cannot be read" in err or "no receipt" in err


def test_a_receipt_without_an_index_is_an_error(kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "verify", str(kept), "--index", "elsewhere")
    assert code == 1
    assert "There is no index in" in err


def test_verifying_neither_syncs_nor_writes_nor_loads_what_is_heavy(kept: Path) -> None:
    (kept.parent / "corpus" / "bernstein.eml").unlink()
    before = (kept.parent / "index" / "catalogue.sqlite").read_bytes()
    code = (
        "import sys; from rag.cli import main; code = main(['verify', 'receipt.json']);"
        "heavy = {'torch', 'sentence_transformers', 'transformers', 'chromadb', 'gradio', 'llama_cpp'};"
        "print(code, sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=kept.parent)
    assert done.stdout.splitlines()[-1] == "0 []"
    assert (kept.parent / "index" / "catalogue.sqlite").read_bytes() == before


def test_ctrl_c_stops_cleanly(here: Path) -> None:
    for i in range(3000):
        (here / "corpus" / f"n{i}.md").write_text(f"Note {i} " + "says something else again. " * 40)
    command = [sys.executable, "-m", "rag", "index"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        deadline = threading.Timer(60, process.kill)
        deadline.start()
        while not list((here / "index").glob("catalogue.sqlite-wal")):
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
        deadline.cancel()
    assert (process.returncode, out) == (130, ""), err
    assert err.strip().endswith("is kept.")
    assert "Traceback" not in err


def test_a_closed_pipe_is_no_error_message(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "index")
    (here / "q.jsonl").write_text('{"q": "chips"}\n' * 50)
    command = f"{sys.executable} -m rag search --batch q.jsonl | head -n 1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=True, env=dict(os.environ))
    assert json.loads(done.stdout)["query"] == "chips"
    assert done.stderr == ""
