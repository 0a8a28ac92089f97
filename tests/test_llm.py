from __future__ import annotations

import threading
from collections.abc import Iterator

from rag.llm import Floor, Piece, Stream


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


def wait_for_the_floor(floor: Floor, flag: Flag, served: list[Flag]) -> None:
    if floor.take(flag):
        served.append(flag)
        floor.rest()
        floor.leave(flag)


def test_who_waits_for_the_model_knows_how_many_come_first_and_gets_it_in_that_order() -> None:
    floor, pause = Floor(), threading.Event()
    flags = [Flag() for _ in range(3)]
    first = Flag()
    assert floor.take(first)
    served: list[Flag] = []
    threads = [threading.Thread(target=wait_for_the_floor, args=(floor, flag, served)) for flag in flags]
    for count, (thread, flag) in enumerate(zip(threads, flags, strict=True), start=1):
        thread.start()
        while floor.before(flag) != count:
            pause.wait(0.01)
    assert floor.before(first) == 0
    floor.rest()
    floor.leave(first)
    for thread in threads:
        thread.join(10)
    assert served == flags


def test_who_gave_way_in_mid_answer_goes_on_before_the_next_begins() -> None:
    floor, pause = Floor(), threading.Event()
    begun, other, new = Flag(), Flag(), Flag()
    assert floor.take(begun)
    floor.rest()
    assert floor.take(other)  # waits until the first was away for a second
    served: list[Flag] = []
    threads = [threading.Thread(target=wait_for_the_floor, args=(floor, flag, served)) for flag in (new, begun)]
    for thread, flag in zip(threads, (new, begun), strict=True):
        thread.start()
        while not floor.before(flag):
            pause.wait(0.01)
    floor.rest()
    floor.leave(other)
    for thread in threads:
        thread.join(10)
    assert served == [begun, new]


def test_who_gives_up_waiting_leaves_the_queue() -> None:
    floor = Floor()
    assert floor.take(Flag())
    patient, gone = Flag(), Flag()
    gone.set()
    assert not floor.take(gone)
    assert floor.before(gone) == floor.before(patient) == 0


class Flag:
    def __init__(self) -> None:
        self.told = False

    def set(self) -> None:
        self.told = True

    def __bool__(self) -> bool:
        return self.told
