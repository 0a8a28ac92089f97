"""How an exchange goes: quotes first, prose marked until it is checked, and what stops it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from threading import Barrier, Thread
from typing import TYPE_CHECKING, Any, cast

import pytest

from rag.errors import ModelFailed
from rag.page import cards
from rag.page.filters import Limits
from rag.page.talk import Conversation, Screen, converse
from rag.records import Exchange
from tests.pages import CLOSED_WITHIN, ScriptedAssistant, ScriptedReply, answered, plain, silent

if TYPE_CHECKING:
    from rag.assistant import Assistant


def ask(
    assistant: ScriptedAssistant,
    question: str,
    conversation: Conversation | None = None,
    limits: Limits | None = None,
) -> Iterator[Screen]:
    talk = conversation or Conversation()
    return converse(cast("Assistant", assistant), question, limits or Limits(), talk)


def test_quotes_come_before_prose_and_prose_is_marked_until_checked() -> None:
    first, quoted, *_, last = ask(ScriptedAssistant({"q": plain}), "q")
    assert first.quotes is None
    assert quoted.quotes is not None
    assert "rag-prose" not in quoted.content
    assert "Not yet checked" not in last.content


def test_the_next_question_brings_the_exchange_before_it() -> None:
    assistant, talk = ScriptedAssistant(), Conversation()
    list(ask(assistant, "first", talk))
    list(ask(assistant, "second", talk))
    assert assistant.asked[1][1] == (Exchange("first"),)


def test_the_question_that_was_searched_is_shown_where_it_is_another() -> None:
    whole = "What did Citi say?"

    def completed() -> ScriptedReply:
        return replace(plain(), searched=whole, answer=replace(answered(), searched=whole))

    *_, draft, last = ask(ScriptedAssistant({"and Citi?": completed}), "and Citi?")
    assert "Searched: What did Citi say?" in draft.content
    assert "Searched" not in list(ask(ScriptedAssistant({"q": plain}), "q"))[-1].content
    assert "Searched: What did Citi say?" in last.content


def test_filters_reach_the_search() -> None:
    assistant = ScriptedAssistant()
    list(ask(assistant, "q", limits=Limits(("Bernstein",), "2025-01-20")))
    filters = assistant.asked[0][2]
    assert (filters["house"], filters["since"], filters["until"]) == (("Bernstein",), "2025-01-20", None)


@pytest.mark.parametrize(
    ("question", "told"),
    [
        (" ", "Write a question first"),
        ("x" * 1_000_000, "2,000 are the most"),
    ],
)
def test_an_unusable_question_is_told_and_not_asked(question: str, told: str) -> None:
    assistant = ScriptedAssistant()
    (screen,) = ask(assistant, question)
    assert told in screen.told
    assert screen.refused
    assert not screen.accepted
    assert assistant.asked == []


def test_a_failure_that_can_be_mended_is_shown_with_its_remedy() -> None:
    broken = ModelFailed("The model broke off.", remedy="Ask again.")
    assistant = ScriptedAssistant({"q": lambda: ScriptedReply(answered(), failure=broken)})
    *_, last = ask(assistant, "q")
    assert "The model broke off." in last.content
    assert "Ask again." in last.content


def test_no_other_question_s_quotes_stand_beside_a_failure() -> None:
    broken = ModelFailed("The model broke off.", remedy="Ask again.")
    *_, last = ask(ScriptedAssistant({"q": lambda: ScriptedReply(answered(), failure=broken)}), "q")
    assert last.quotes == cards.NO_QUOTES


def test_a_bug_is_shown_without_its_text_and_raised() -> None:
    assistant = ScriptedAssistant({"q": lambda: ScriptedReply(answered(), failure=ZeroDivisionError("secret"))})
    screens: list[Screen] = []
    with pytest.raises(ZeroDivisionError):
        screens.extend(ask(assistant, "q"))
    assert "secret" not in "".join(screen.content for screen in screens)


def test_stop_closes_a_silent_reply_and_the_exchange_ends() -> None:
    assistant, talk = ScriptedAssistant({"q": silent}), Conversation()
    screens = ask(assistant, "q", talk)
    next(screens), next(screens)
    began = time.monotonic()
    talk.stop()
    *_, last = screens
    assert "The quotes are the answer." in last.content
    assert assistant.replies[0].closed.is_set()
    assert time.monotonic() - began < CLOSED_WITHIN


def test_a_stop_during_the_search_is_kept() -> None:
    assistant, talk = ScriptedAssistant({"q": silent}), Conversation()
    screens = ask(assistant, "q", talk)
    next(screens)
    talk.stop()
    *_, _last = screens
    assert assistant.replies[0].closed.is_set()


def test_what_ends_after_a_clear_is_not_remembered() -> None:
    talk = Conversation()
    screens = ask(ScriptedAssistant({"q": plain}), "q", talk)
    next(screens), next(screens)
    talk.clear()
    *_, _last = screens
    assert (talk.past.said, talk.past.exchanges) == ([], [])


def test_a_question_after_a_clear_is_alone_though_the_search_before_it_goes_on() -> None:
    assistant, talk = ScriptedAssistant({"old": silent, "new": plain}), Conversation()
    old = ask(assistant, "old", talk)
    next(old)
    talk.clear()
    new = ask(assistant, "new", talk)
    next(new)
    left_over = list(old)  # the search of the cleared question ends only now
    assert assistant.replies[0].closed.is_set()
    assert talk.asking
    *_, last = new
    assert left_over
    assert "fair value" in last.content
    assert [one.question for one in talk.past.exchanges] == ["q"]
    assert (talk.asking, talk.reply) == (False, None)


def test_a_second_question_meanwhile_is_refused_and_the_first_goes_on() -> None:
    assistant, talk = ScriptedAssistant({"q": plain}), Conversation()
    first = ask(assistant, "q", talk)
    next(first)
    (refusal,) = ask(assistant, "another", talk)
    assert refusal.refused
    *_, last = first
    assert "fair value" in last.content
    assert len(assistant.asked) == 1


def test_of_questions_at_the_same_moment_one_is_taken() -> None:
    talk, ready, taken = Conversation(), Barrier(8), list[bool]()

    def begin() -> None:
        ready.wait()
        taken.append(talk.begin())

    threads = [Thread(target=begin) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == [False] * 7 + [True]


def test_who_knows_the_server_is_not_told_of_it_again() -> None:
    talk = Conversation()
    assert [talk.learn(model) for model in ("r1-7b", "http://gpu:1", "http://gpu:1", "http://gpu:2", "", "r1-7b")] == [
        False, True, False, True, False, False,
    ]  # fmt: skip


def test_a_server_chosen_during_the_search_is_not_sent_the_question() -> None:
    assistant = ScriptedAssistant()

    def chosen_meanwhile() -> ScriptedReply:
        assistant.chosen("http://gpu:1")
        return plain()

    assistant.script["q"] = chosen_meanwhile
    *_, last = ask(assistant, "q")
    assert "Questions now go to http://gpu:1." in last.content
    assert assistant.replies[0].closed.is_set()


def test_closing_the_screens_closes_the_reply() -> None:
    assistant = ScriptedAssistant({"q": silent})
    screens = ask(assistant, "q")
    next(screens), next(screens)
    cast("Any", screens).close()
    assert assistant.replies[0].closed.is_set()


def test_who_waits_for_the_model_is_told_how_many_come_first() -> None:
    waiting = ScriptedAssistant({"q": lambda: replace(silent(), before=2)})
    screens = ask(waiting, "q")
    next(screens)
    waited = next(screens)
    assert "Waiting for the model, 2 before you" in waited.content
    assert waited.quotes is not None
    cast("Any", screens).close()


def test_an_answer_can_be_kept_as_markdown_and_as_a_receipt() -> None:
    *_, last = ask(ScriptedAssistant({"q": plain}), "q")
    assert "[1] Bernstein (Ann Lee), 27 Jan 2025" in last.markdown
    assert '"receipt"' in last.receipt


def test_the_limits_are_shown_with_the_draft_and_with_the_answer() -> None:
    *_, draft, last = ask(ScriptedAssistant({"q": plain}), "q", limits=Limits(("Citi",)))
    assert "Only: Citi" in draft.content
    assert "Only: Citi" in last.content


def test_the_time_of_a_thought_is_told() -> None:
    *_, last = ask(ScriptedAssistant({"q": plain}), "q")
    assert "Thought for 0 s" in last.content
