from __future__ import annotations

from datetime import UTC, date, datetime
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.followups import completed
from rag.questions import Query, understand
from rag.records import Exchange

TODAY = date(2025, 3, 13)
PEOPLE = ("Ana Petrov", "Henry Marsh", "Sun-Mi Park")
BASE = "What did Bernstein say about the 6% glut?"


def chain(*typed: str, figures: tuple[str, ...] = (), houses: tuple[str, ...] = ()) -> list[str]:
    """What is searched for each of ``typed``, every one of which shows the same figures and houses."""
    past: list[Exchange] = []
    for question in typed:
        past.append(Exchange(completed(question, past, people=PEOPLE), figures, houses))
    return [one.question for one in past]


def asked(question: str) -> Query:
    return understand(question, today=TODAY, people=PEOPLE)


@pytest.mark.parametrize(
    "typed",
    """
    and Citi?|what about Citi?|Citi?|citi|and citi|citi too?|same for citi|ok and citi|what of Citi
    so how about citi then?|and according to Citi?|according to citi|what does Citi say?|and in Citi's view?
    what did Citi think of that?|would Citi agree with that?|does citi think so?|And Citi...|and, Citi?
    """.strip().replace("\n", "|").split("|"),
)  # fmt: skip
def test_a_house_takes_the_place_of_a_house_however_it_is_typed(typed: str) -> None:
    assert chain(BASE, typed.strip())[1] == "What did Citi say about the 6% glut?"


HOUSES = {
    ("What is Bernstein's view on luxury?", "and Barclays?"): "What is Barclays' view on luxury?",
    ("What is Barclays' view on luxury?", "and Citi?"): "What is Citi's view on luxury?",
    ("According to Bernstein, is oil dear?", "and UBS?"): "According to UBS, is oil dear?",
    ("In Citi's view, is the grid overbuilt?", "according to Mizuho?"): "In Mizuho's view, is the grid overbuilt?",
    ("What did Citi and UBS say about tin?", "and Nomura?"): "What did Nomura say about tin?",
    ("What do Citi and UBS say about tin?", "and Nomura?"): "What does Nomura say about tin?",
    ("What does Citi say about tin?", "Nomura and UBS?"): "What do Nomura and UBS say about tin?",
    ("What did Citi's Henry Marsh say about tin?", "and UBS?"): "What did UBS say about tin?",
    ("What does Sun-Mi Park think about pulp?", "and Citi?"): "What does Citi think about pulp?",
    ("What does Citi think about pulp?", "and henry marsh?"): "What does Henry Marsh think about pulp?",
    (BASE, "and Citi's Ana Petrov?"): "What did Citi's Ana Petrov say about the 6% glut?",
    ("How many cuts does Danske Bank forecast?", "nordea?"): "How many cuts does Nordea forecast?",
    ("Is Wedbush bullish on cocoa?", "ok and truist"): "Is Truist bullish on cocoa?",
    ("Did RBC downgrade Deere?", "and wedbush?"): "Did Wedbush downgrade Deere?",
    ("What target does Needham have on Roku?", "and Oppenheimer?"): "What target does Oppenheimer have on Roku?",
    ("Jefferies data centres", "citi too?"): "What did Citi say about data centres?",
    ("Is the 5% yield safe, UBS?", "and BMO?"): "Is the 5% yield safe, BMO?",
    ("who covers Citi", "and UBS?"): "Who covers UBS?",
    ("Compare Citi and UBS on tin", "and Nomura?"): "What did Nomura say about tin?",
    ("Who is right on rates, Citi or Goldman?", "and Nomura?"): "What did Nomura say about rates?",
    ("What is fair value for Ford?", "and Citi?"): "What is fair value for Ford, according to Citi?",
    ("Who founded the mine?", "and Citi?"): "Who founded the mine, according to Citi?",
    ("Who doubts the 6% claim?", "and Citi?"): "Does Citi doubt the 6% claim?",
    ("Who said rents would fall?", "and Citi?"): "Did Citi say rents would fall?",
    ("Who is bullish on cocoa?", "and Citi and UBS?"): "Are Citi and UBS bullish on cocoa?",
    ("what do analysts think of tin", "and Citi?"): "What does Citi think of tin?",
    ("tin outlook", "and Citi?"): "What does Citi say about tin outlook?",
    ("what about capex?", "and citi?"): "What does Citi say about capex?",
    ("Who else doubts the 6% claim, besides UBS?", "and Citi?"): "Does Citi doubt the 6% claim?",
}  # fmt: skip

DATES = {
    (BASE, "and last week?"): "What did Bernstein say last week about the 6% glut?",
    (BASE, "since Monday?"): "What did Bernstein say since Monday about the 6% glut?",
    (BASE, "and in February?"): "What did Bernstein say in February about the 6% glut?",
    (BASE, "and UBS last week?"): "What did UBS say last week about the 6% glut?",
    ("What is Stifel's view on fares?", "since monday"): "What is Stifel's view on fares since monday?",
    ("What did SocGen say about tin since 3 March?", "10 March?"): "What did SocGen say about tin since 10 March?",
    ("what did baird say about tin in february", "and in march?"): "What did baird say about tin in march?",
    ("What did UBS say about the yen on 3 February?", "yesterday?"): "What did UBS say about the yen yesterday?",
}  # fmt: skip

TOPICS = {
    (BASE, "and on margins?"): "What did Bernstein say about margins?",
    (BASE, "what about tin?"): "What did Bernstein say about tin?",
    ("who thinks tin is overvalued", "and copper?"): "Who thinks copper is overvalued?",
    ("Compare Citi and Mizuho on steel", "and on cement?"): "Compare Citi and Mizuho on cement",
    ("What does UBS expect for gold in 2025?", "and silver?"): "What does UBS expect for silver in 2025?",
    ("Who is right on rates, Citi or Goldman?", "and on jobs?"): "Who is right on jobs, Citi or Goldman?",
    ("what is the biggest risk for ferries", "and for airports?"): "What is the biggest risk for airports?",
    ("What did Citi say about margins?", "and in Europe?"): "What did Citi say about margins in Europe?",
    ("What did Citi say about margins in Europe?", "and in Asia?"): "What did Citi say about margins in Asia?",
    ("What is Nvidia's fair value?", "what about Netflix?"): "What is Netflix's fair value?",
    ("Does Citi like cocoa?", "and sugar?"): "Does Citi like sugar?",
    ("Is copper overvalued?", "and tin?"): "Is tin overvalued?",
}  # fmt: skip

FIGURES = {
    ("Who said rents would fall by 6%?", "and 8%?"): "Who said rents would fall by 8%?",
    ("Who doubts the $5M?", "and $6M?"): "Who doubts the $6M?",
    ("What does UBS expect for gold in 2025?", "and 2026?"): "What does UBS expect for gold in 2026?",
    ("What does UBS expect for gold?", "and for 2026?"): "What does UBS expect for gold for 2026?",
    ("What did Goldman say about the $40 target?", "is that number right?"):
        "Is the $40 target right, according to Goldman Sachs?",
    ("What did Citi say last week about the $40?", "is that figure right?"):
        "Is the $40 right, as Citi said last week?",
    (BASE, "what about that number?"): "What about the 6% glut, according to Bernstein?",
}  # fmt: skip

REASONS = {
    **{(BASE, why): f"{BASE[:-1]}, and why?" for why in ("why?", "Why is that?", "how so", "how come?", "explain")},
    **{(BASE, again): BASE for again in ("really?", "tell me more", "is that true?", "can you elaborate?")},
    ("bernstein luxury", "why?"): "What did Bernstein say about luxury, and why?",
    ("Is oil dear, and why?", "why?"): "Is oil dear, and why?",
    (BASE, "who else?"): "Who else says something about the 6% glut, besides Bernstein?",
    (BASE, "who disagrees?"): "Who disagrees with Bernstein on the 6% glut?",
    ("Who doubts the 6% claim?", "anyone else?"): "Who else doubts the 6% claim?",
}  # fmt: skip

PRONOUNS = {
    (BASE, "what do they say about capex?"): "What does Bernstein say about capex?",
    (BASE, "what did the bank say next?"): "What did Bernstein say next on the 6% glut?",
    (BASE, "what is their target for Ford?"): "What is Bernstein's target for Ford?",
    ("What did Henry Marsh say about tin?", "does he like copper?"): "Does Henry Marsh like copper?",
    ("What did Ana Petrov say about pulp?", "does she agree?"): "Does Ana Petrov agree about pulp?",
    ("What did Ana Petrov say on pulp?", "does she agree with Citi?"): "Does Ana Petrov agree with Citi about pulp?",
    ("What did Citi and UBS say about tin?", "do they like copper?"): "Do Citi and UBS like copper?",
    ("Is copper dear according to Macquarie?", "is it cheap?"): "Is copper cheap, according to Macquarie?",
    ("What did UBS say about cable?", "does it agree?"): "Does UBS agree about cable?",
}  # fmt: skip

ALL = {**HOUSES, **DATES, **TOPICS, **FIGURES, **REASONS, **PRONOUNS}


@pytest.mark.parametrize(("typed", "searched"), ALL.items())
def test_a_followup_is_completed_from_the_question_before(typed: tuple[str, str], searched: str) -> None:
    assert chain(*typed)[1] == searched


@pytest.mark.parametrize("searched", sorted(set(ALL.values())))
def test_a_completed_question_stands_alone(searched: str) -> None:
    assert chain("What did Nordea say about salmon?", searched)[1] == searched


CHAINS = {
    ("What did Barclays say about ore?", "and Nomura?", "and UBS?", "why?"): "What did UBS say about ore, and why?",
    ("What did Barclays say about ore?", "why?", "and UBS?"): "What did UBS say about ore, and why?",
    ("What did Citi say about ore?", "thanks", "and UBS?"): "What did UBS say about ore?",
    ("What did Citi say about ore?", "and the week before?", "this week?"): "What did Citi say this week about ore?",
    ("Has HSBC changed its mind on coal?", "when?", "what did the bank say next?"): "What did HSBC say next on coal?",
    ("what is the risk for ferries", "according to who?", "and for airports?"): "What is the risk for airports?",
    ("Does Baird like Ford?", "do they like Deere?", "and why?"): "Does Baird like Deere, and why?",
    ("who thinks tin is dear", "and copper?", "what does UBS say"): "Does UBS think copper is dear?",
    ("What did Citi say about ore?", "on tin?", "last week?", "Nomura?"): "What did Nomura say last week about tin?",
}  # fmt: skip


@pytest.mark.parametrize(("typed", "searched"), CHAINS.items())
def test_each_completion_is_carried_on(typed: tuple[str, ...], searched: str) -> None:
    assert chain(*typed)[-1] == searched


@pytest.mark.parametrize(
    "typed",
    """
    What is fair value for Nvidia?|Who founded the company?|What did Citi say about tin?
    Which banks disagree with Baird?|thanks|hello|ok|thank you!|when?|tin|margins?|2026?|$6M?
    and $7?|and|?|and the year before?|and spanish ones?
    What did Citi say last week?|and Citi on tin?|What is the price of copper?|Is it true that Ford is cheap?
    What does that mean?|and nomura prefers?|and Acme Securities?|Who cut their target for Ford this week?
    Why do they spend so much on capex?|what about the risk that tariffs rise and growth slows?|according to who?
    What does Citi expect, and do they like tin?|How long will it take for copper to recover?
    """.strip().replace("\n", "|").split("|"),
)  # fmt: skip
def test_what_stands_alone_or_is_not_plain_is_left_as_it_was_typed(typed: str) -> None:
    assert chain(BASE, typed.strip())[1] == typed.strip()


@pytest.mark.parametrize(
    "base",
    [
        "What does the author say about tin?",
        "What did Acme Research say about tin?",
        "Compare Citi's view with Mizuho's",
    ],
)
def test_a_house_is_not_put_where_somebody_else_speaks(base: str) -> None:
    assert chain(base, "and UBS?")[1] == "and UBS?"


def test_half_of_a_range_is_not_replaced() -> None:
    assert chain("What did Citi say about tin between 3 and 10 March?", "and last week?")[1] == "and last week?"


def test_nothing_is_completed_without_a_question_before() -> None:
    assert completed("and Citi?", []) == "and Citi?"


def test_that_number_is_the_best_one_shown_where_none_was_asked_for() -> None:
    searched = chain(
        "According to Citi, how large is the glut?", "where does that number come from?", figures=("40kt",)
    )
    assert searched[1] == "Where does the 40kt (glut) come from, according to Citi?"


def test_what_was_said_of_one_figure_is_not_said_of_another_topic() -> None:
    typed = ("What is Citi's forecast for Ford?", "is that too high?", "and salmon?")
    assert chain(*typed, figures=("$86bn",))[1:] == [
        "Is the $86bn (Ford) too high, according to Citi?",
        "What did Citi say about salmon?",
    ]


def test_they_are_the_one_house_that_was_shown_where_none_was_asked() -> None:
    assert chain("How large is the glut?", "what do they say about tin?", houses=("Citi",))[1] == (
        "What does Citi say about tin?"
    )
    assert chain("How large is the glut?", "what do they say about tin?", houses=("Citi", "UBS"))[1] == (
        "what do they say about tin?"
    )


def test_houses_that_were_shown_are_not_who_else() -> None:
    assert chain("Who doubts the 6% claim?", "who else?", houses=("Citi", "UBS"))[1] == (
        "Who else doubts the 6% claim, besides Citi and UBS?"
    )


@pytest.mark.parametrize(
    ("typed", "houses", "kind"),
    [
        ("and Citi?", ("Citi",), "said"),
        ("and Citi and UBS?", ("Citi", "UBS"), "said"),
        ("why?", ("Bernstein",), "said"),
        ("is that number right?", ("Bernstein",), "said"),
        ("what is their target for Ford?", ("Bernstein",), "number"),
    ],
)
def test_a_completed_question_asks_the_houses_that_were_meant(typed: str, houses: tuple[str, ...], kind: str) -> None:
    query = asked(chain(BASE, typed)[1])
    assert (query.strict, query.houses, query.kind) == (True, houses, kind)


def test_who_else_asks_everybody() -> None:
    query = asked(chain(BASE, "who else?")[1])
    assert (query.strict, query.kind) == (False, "who")


@pytest.mark.parametrize(
    ("typed", "since"),
    [
        ("and last week?", datetime(2025, 3, 3, tzinfo=UTC)),
        ("and in February?", datetime(2025, 2, 1, tzinfo=UTC)),
        ("since Monday?", datetime(2025, 3, 10, tzinfo=UTC)),
        ("and UBS since 3 March?", datetime(2025, 3, 3, tzinfo=UTC)),
    ],
)
def test_a_completed_date_is_a_condition(typed: str, since: datetime) -> None:
    assert asked(chain(BASE, typed)[1]).since == since


FRAGMENTS = st.sampled_from(
    """
    and Citi?|why?|and in February?|what about tin?|who else?|is that number right?|what do they say?|and in Asia?
    and $6M?|is it cheap?|and for 2026?|tell me more|since Monday?|and UBS last week?|does he agree?|and on margins?
    """.strip().replace("\n", "|").split("|")
)  # fmt: skip
QUESTIONS = st.sampled_from(sorted({typed[0] for typed in ALL}))


@given(st.text(max_size=300), st.text(max_size=300))
def test_any_text_is_taken(question: str, before: str) -> None:
    past = [Exchange(before, (before,), (before,))]
    assert completed(completed(question, past), past) == completed(question, past)


@given(QUESTIONS, st.lists(FRAGMENTS, max_size=12))
def test_a_chain_does_not_grow(question: str, typed: list[str]) -> None:
    assert max(map(len, chain(question, *typed, figures=("$5.6M",), houses=("Citi",)))) < len(question) + 110


@given(QUESTIONS, QUESTIONS)
def test_a_new_question_is_not_touched(first: str, second: str) -> None:
    whole = second.endswith("?") and not second.startswith(("what about", "and"))
    assert not whole or chain(first, second)[1] == second


@pytest.mark.parametrize(
    "shape", ["and ", "Citi ", "$5M ", "(", "in May ", ", besides ", "it ", "that number ", "1", "tin for "]
)
@pytest.mark.parametrize("typed", ["and UBS?", "why?", "and in Asia?", "is that number right?", "what do they say?"])
def test_hostile_questions_take_no_time(shape: str, typed: str) -> None:
    chain(BASE, "and Citi?")  # reads the gazetteers
    hostile = (shape * 2000)[:2000]
    began = perf_counter()
    for question in (hostile[:500], hostile):
        assert len(completed(typed, [Exchange(question, ("$5M",), ("Citi",))])) <= 2000
    assert completed(hostile, [Exchange(BASE)]) == hostile
    assert perf_counter() - began < 20
