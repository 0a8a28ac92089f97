"""The command line of ``rag``: its commands, their options and their help.

In: words. Out: a namespace whose ``command`` says what to run (``models pull`` and the like in two words). It runs
nothing.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from rag.guard import HOST, PORT
from rag.records import KINDS, VOICES
from rag.settings import THINKING_TOKENS


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Parse a command line; what does not begin with a command is a question. Exits with 2 on wrong usage."""
    parser = _parser()
    if argv and argv[0] not in {*COMMANDS, "-h", "--help", "--version"}:
        argv = ["ask", *argv]
    arguments = parser.parse_args(argv)
    if not hasattr(arguments, "command"):
        parser.print_help(sys.stderr)
        parser.exit(2)
    return arguments


def _parser() -> argparse.ArgumentParser:
    from rag import __version__

    parser = argparse.ArgumentParser(
        prog="rag",
        description="Ask your sell-side inbox, privately, on your own CPU.",
        epilog='Begin with a question: rag "what did Bernstein say about the \\$5M?"',
    )
    parser.add_argument("--version", action="version", version=f"rag {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for name, (add, text) in COMMANDS.items():
        add(commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}."))
    return parser


def _add_places(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--corpus", metavar="DIR", help="folder with mail and notes")
    parser.add_argument("--index", metavar="DIR", help="folder of the index")
    parser.add_argument("--embedding-model", metavar="NAME", help="a sentence-transformers model, by name or folder")
    parser.add_argument("--houses", metavar="FILE", help="your own houses (TOML), beside the built-in ones")


def _add_filters(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--house", action="append", metavar="H", help="only this house; may be repeated")
    parser.add_argument("--since", metavar="DATE", help="only notes of this day or later (2025-01-27)")
    parser.add_argument("--until", metavar="DATE", help="only notes of this day or earlier")
    parser.add_argument("--voice", choices=list(VOICES), help="only the author's own words, or only those quoted")
    parser.add_argument("--kind", choices=KINDS, help="only mail, or only notes and attached files")
    _add_as_of(parser)
    parser.add_argument("-k", type=_positive, metavar="N", help="how many quotes or hits")


def _add_as_of(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--as-of", metavar="DATE", help='the day that "last week" counts from (2025-01-31)')


def _add_ask(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("question", help="the question, in quotes; mind the shell's $")
    parser.add_argument("--quotes", dest="quotes_only", action="store_true", help="quotes only, no model")
    parser.add_argument("--model", metavar="NAME|PATH|URL", help="a catalogue name, a GGUF file or a server")
    parser.add_argument("--think", choices=list(THINKING_TOKENS), help="how long R1 may think first")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    _add_filters(parser)
    _add_places(parser)
    parser.set_defaults(command="ask")


def _add_search(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("question", nargs="?", help="what to look for")
    parser.add_argument("--batch", metavar="FILE", help='a question a line, {"q": "…"}; - reads stdin')
    parser.add_argument("--json", action="store_true", help="one JSON object")
    _add_filters(parser)
    _add_places(parser)
    parser.set_defaults(command="search")


def _add_compare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("claim", help="what houses may agree or disagree with, in quotes; mind the shell's $")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    _add_filters(parser)
    _add_places(parser)
    parser.set_defaults(command="compare")


def _add_verify(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("receipt", metavar="RECEIPT.json", help="what rag ask --json printed; - reads stdin")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    _add_places(parser)
    parser.set_defaults(command="verify")


def _add_index(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rebuild", action="store_true", help="begin anew, with today's settings")
    parser.add_argument("--watch", action="store_true", help="go on, and index what lands, until Ctrl-C")
    parser.add_argument("--imap", metavar="URL", help="mirror a mailbox first: imaps://user@host/INBOX")
    parser.add_argument("--json", action="store_true", help="one JSON object for each sync")
    _add_places(parser)
    parser.set_defaults(command="index")


def _add_status(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON object")
    _add_places(parser)
    parser.set_defaults(command="status")


def _add_models(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command="models list")
    actions = parser.add_subparsers(metavar="ACTION")
    actions.add_parser("list", help="what there is, and what is here").set_defaults(command="models list")
    pull = actions.add_parser("pull", help="fetch a model; goes on where it broke off")
    pull.set_defaults(command="models pull")
    actions.add_parser("verify", help="hash what is here").set_defaults(command="models verify")
    remove = actions.add_parser("remove", help="delete a model file")
    remove.set_defaults(command="models remove")
    for action in (pull, remove):
        action.add_argument("name", metavar="NAME", help="a name of the catalogue")


def _add_serve(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default=HOST, help="address to listen on (default: this machine only)")
    parser.add_argument("--port", type=int, default=PORT, help=f"port to listen on (default: {PORT})")
    parser.add_argument("--auth", metavar="FILE", help="lines of user:password; whoever is not among them stays out")
    parser.add_argument(
        "--root-path", default="", metavar="URL", help="where a proxy shows it: https://desk.example/rag"
    )
    parser.add_argument("--model", metavar="NAME|PATH|URL", help="a catalogue name, a GGUF file or a server")
    parser.add_argument("--think", choices=list(THINKING_TOKENS), help="how long R1 may think first")
    _add_places(parser)
    parser.set_defaults(command="serve")


def _add_eval(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE.jsonl", help='a question a line: {"q": "…", "quotes": ["…"], …}')
    parser.add_argument("--answers", action="store_true", help="let the model write, and judge its answers too")
    parser.add_argument("--model", metavar="NAME|PATH|URL", help="with --answers: a catalogue name, a GGUF, a server")
    parser.add_argument("--think", choices=list(THINKING_TOKENS), help="with --answers: how long R1 may think first")
    parser.add_argument(
        "--judge", metavar="NAME|PATH|URL", help="with --answers: ask this model of each sentence, beside the check"
    )
    _add_as_of(parser)
    parser.add_argument("--fit", action="store_true", help="then fit the gate to this set, and keep it with the index")
    parser.add_argument("--misses", action="store_true", help="list what went wrong, below the table")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--plot", metavar="PNG", help="draw bars, latency and risk-coverage (needs rag[plot])")
    parser.add_argument(
        "--fail-under",
        action="append",
        default=[],
        metavar="METRIC=VALUE",
        help="exit with 1 if the metric is below VALUE, or above it where less is better; may be repeated",
    )
    _add_places(parser)
    parser.set_defaults(command="eval")


def _add_bench(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--chunks",
        type=_size,
        nargs="+",
        metavar="N",
        help="passages of the generated indexes (default: 1000 10000 200000)",
    )
    parser.add_argument(
        "--questions",
        metavar="FILE",
        help="JSON lines, in place of questions that the index suggests; each is asked twice",
    )
    parser.add_argument("--model", metavar="NAME|PATH|URL", help="as for a question")
    parser.add_argument("--plot", metavar="PNG", help="draw the figures (needs rag[plot])")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    _add_places(parser)
    parser.set_defaults(command="bench")


def _size(text: str) -> int:
    number = int(text)
    if not 100 <= number <= 10_000_000:
        raise argparse.ArgumentTypeError("must be from 100 to 10,000,000")
    return number


def _positive(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 100:
        raise argparse.ArgumentTypeError("must be from 1 to 100")
    return number


COMMANDS = {
    "ask": (_add_ask, "answer a question with checked citations (the default)"),
    "search": (_add_search, "list the passages that match best"),
    "compare": (_add_compare, "set the houses side by side on a claim"),
    "verify": (_add_verify, "check the receipt of an answer against the index"),
    "index": (_add_index, "make the index equal the corpus"),
    "status": (_add_status, "say which corpus, index and model are in use"),
    "models": (_add_models, "list, pull, verify and remove model files"),
    "serve": (_add_serve, "chat in the browser"),
    "eval": (_add_eval, "measure search, refusals and answers on a question set"),
    "bench": (_add_bench, "measure how fast this machine answers, searches and indexes"),
}
