from __future__ import annotations

import threading
from collections.abc import Iterator

from rag.llm import Piece, Stream


def test_a_stream_can_be_closed_while_another_thread_awaits_a_piece() -> None:
    told = threading.Event()

    def pieces() -> Iterator[Piece]:
        told.wait(10)
        yield from ()

    waiting = Stream(pieces(), told.set)  # type: ignore[arg-type]
    rest: list[Piece] = []
    reader = threading.Thread(target=lambda: rest.extend(waiting))
    reader.start()
    waiting.close()
    reader.join(10)
    assert rest == []
