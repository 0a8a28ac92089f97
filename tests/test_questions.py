from __future__ import annotations

from datetime import date
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.questions import Query, subject, understand
from rag.stems import tokens

TODAY = date(2025, 3, 13)
PEOPLE = ("Ana Petrov", "Tom Lindqvist", "Rita Lindqvist", "Henry Marsh", "Sun-Mi Park")


def asked(question: str, people: tuple[str, ...] = PEOPLE) -> Query:
    return understand(question, today=TODAY, people=people)


STRICT = {
    "What did Barclays say about iron ore?": "Barclays",
    "what did barclays say about iron ore": "Barclays",
    "WHAT DID BARCLAYS SAY ABOUT IRON ORE?": "Barclays",
    "What does UBS think of Nestlé?": "UBS",
    "What does Jefferies expect for airline fares?": "Jefferies",
    "What has Nomura argued about the yen?": "Nomura",
    "Why does Berenberg like cement?": "Berenberg",
    "How does Stifel explain the fall in margins?": "Stifel",
    "Does RBC believe in a soft landing?": "RBC",
    "Does HSBC not think copper is dear?": "HSBC",
    "Is Wedbush bullish on Ford?": "Wedbush",
    "Is Macquarie overweight miners?": "Macquarie",
    "Has Citi cut its target for Siemens?": "Citi",
    "Did Baird downgrade Deere?": "Baird",
    "Has Evercore changed its rating on Pfizer?": "Evercore",
    "What price target does Needham have on Roku?": "Needham",
    "What multiple does Oppenheimer use for Visa?": "Oppenheimer",
    "Which stocks does Daiwa prefer?": "Daiwa",
    "When does Nordea see the first cut?": "Nordea",
    "How many cuts does Danske Bank forecast?": "Danske Bank",
    "By how much did Truist raise its estimate?": "Truist",
    "What is Goldman's view on gold?": "Goldman Sachs",
    "What is Goldman’s view on gold?": "Goldman Sachs",
    "Jefferies' take on retailers?": "Jefferies",
    "What's Citi's call on copper?": "Citi",
    "What is Morgan Stanley's price target for Boeing?": "Morgan Stanley",
    "What are JPMorgan's revenue forecasts for LVMH?": "JPMorgan",
    "Summarise Bernstein's argument on luxury": "Bernstein",
    "According to Barclays, is oil expensive?": "Barclays",
    "How large is the glut, according to Wells Fargo?": "Wells Fargo",
    "How large is the glut, per Wells Fargo?": "Wells Fargo",
    "In the view of Mizuho, will rates rise?": "Mizuho",
    "Who will win the auction, according to Citi?": "Citi",
    "Who does Goldman say will win?": "Goldman Sachs",
    "Bernstein on luxury": "Bernstein",
    "Stifel: trucks": "Stifel",
    "Jefferies data centres": "Jefferies",
    "Barclays €40": "Barclays",
    "What about Citi?": "Citi",
    "And Mizuho?": "Mizuho",
    "Anything from Goldman on rates?": "Goldman Sachs",
    "targets set by Nomura": "Nomura",
    "What does the Stifel note say on trucks?": "Stifel",
    "What is in Berenberg's note on BASF?": "Berenberg",
    "What do analysts at Macquarie think of lithium?": "Macquarie",
    "Who at Citi covers steel?": "Citi",
    "Which Citi analyst doubts the guidance?": "Citi",
    "Tell me what RBC thinks of banks": "RBC",
    "Can you summarise what UBS said on watches?": "UBS",
    "RBC thinks banks are cheap. Why?": "RBC",
    "What did Bernstein say about Goldman's capex?": "Bernstein",
    "What is Bernstein's view of Goldman's target?": "Bernstein",
    "What would Evercore say?": "Evercore",
    "What is the next test for banks, says Wedbush?": "Wedbush",
    "How far have yields fallen, BMO?": "BMO",
    "EFG: who is better off?": "EFG",
    "What does SocGen mean by a premium?": "SocGen",
    "What does Nomura make of the yen?": "Nomura",
    "What is Nomura saying about Sony?": "Nomura",
}


@pytest.mark.parametrize(("question", "house"), STRICT.items())
def test_a_house_that_is_asked_is_a_condition(question: str, house: str) -> None:
    query = asked(question)
    assert (query.strict, query.houses, query.speakers) == (True, (house,), ())


TOPICS = {
    "what does anyone say about Goldman's capex": "Goldman Sachs",
    "who covers Citi": "Citi",
    "Who expects JPMorgan to hike?": "JPMorgan",
    "What did analysts say about Morgan Stanley's results?": "Morgan Stanley",
    "Which banks disagree with Goldman on rates?": "Goldman Sachs",
    "Who agrees with Bernstein?": "Bernstein",
    "Who besides Bernstein thinks so?": "Bernstein",
    "Who has a buy rating on Barclays?": "Barclays",
    "Who argues that UBS will merge?": "UBS",
    "Did Goldman cut jobs?": "Goldman Sachs",
    "Did Citi raise capital?": "Citi",
    "Is Goldman expected to cut jobs?": "Goldman Sachs",
    "How many employees does Citi have?": "Citi",
    "How much did HSBC earn in Asia?": "HSBC",
    "Goldman results": "Goldman Sachs",
    "Deutsche Bank earnings": "Deutsche Bank",
    "UBS's CET1 ratio": "UBS",
    "How did Barclays shares react?": "Barclays",
    "How does Goldman's earnings call look?": "Goldman Sachs",
    "What does Wells Fargo's loan book look like?": "Wells Fargo",
    "Price target for Goldman Sachs": "Goldman Sachs",
    "Tell me about UBS": "UBS",
    "outlook for Commerzbank": "Commerzbank",
    "When does JPMorgan report earnings?": "JPMorgan",
    "What do others say about Bernstein?": "Bernstein",
}


@pytest.mark.parametrize(("question", "house"), TOPICS.items())
def test_a_house_that_others_speak_of_is_a_topic_and_stays_among_the_words(question: str, house: str) -> None:
    query = asked(question)
    assert (query.strict, query.houses) == (False, (house,))
    assert tokens(house)[0] in query.words


@pytest.mark.parametrize(
    "question",
    [
        "Compare Citi and Mizuho on steel",
        "Citi vs Mizuho on steel",
        "Citi versus Mizuho: steel",
        "How do Citi and Mizuho differ on steel?",
        "Does Citi agree with Mizuho on steel?",
        "What did Citi and Mizuho say about steel?",
        "Citi, Mizuho on steel",
        "According to Citi and Mizuho, is steel cheap?",
        "Compare Citi's view with Mizuho's on steel",
        "Who is more bullish on steel, Citi or Mizuho?",
        "What is the difference between Citi and Mizuho on steel?",
    ],
)
def test_several_houses_are_asked_together(question: str) -> None:
    query = asked(question)
    assert (query.strict, query.houses) == (True, ("Citi", "Mizuho"))


PERSONS = {
    "What did Ana Petrov say about tin?": ("Ana Petrov",),
    "what did ana petrov say about tin": ("Ana Petrov",),
    "What is Petrov's view on tin?": ("Ana Petrov",),
    "What did Marsh argue?": ("Henry Marsh",),
    "According to Sun-Mi Park, is tin cheap?": ("Sun-Mi Park",),
    "Does Petrov at Citi like tin?": ("Ana Petrov",),
    "What does Citi's Ana Petrov question?": ("Ana Petrov",),
    "What did Tom Lindqvist write?": ("Tom Lindqvist",),
    "What did Sun-Mi Park and Marsh say?": ("Sun-Mi Park", "Henry Marsh"),
}


@pytest.mark.parametrize(("question", "people"), PERSONS.items())
def test_a_known_person_who_is_asked_is_a_condition(question: str, people: tuple[str, ...]) -> None:
    query = asked(question)
    assert (query.strict, query.people, query.speakers) == (True, people, ())


@pytest.mark.parametrize(
    "question",
    [
        "What did Lindqvist say?",  # two have that name
        "What did Gerald Marsh say?",
        "What did Marsh Industries say?",
        "what grows in a marsh?",
        "Is the park open?",
    ],
)
def test_a_surname_that_is_not_surely_theirs_names_nobody(question: str) -> None:
    assert asked(question).people == ()


def test_a_person_that_a_house_speaks_of_is_a_topic() -> None:
    query = asked("What did Citi say about Ana Petrov?")
    assert (query.houses, query.people, query.words) == (("Citi",), (), ("ana", "petrov"))


def test_the_house_of_a_person_is_asked_too() -> None:
    assert asked("What does Petrov at Citi think?").houses == ("Citi",)


STRANGERS = {
    "What did Acme Securities say about copper?": ("Acme Securities",),
    "what did acme securities say about copper?": ("acme securities",),
    "what did acme securities say about Tesla?": ("acme securities",),
    "According to Zorblatt Capital, what is the target?": ("Zorblatt Capital",),
    "What is the target, per Zorblatt Capital?": ("Zorblatt Capital",),
    "what does zorblatt think of tin": ("zorblatt",),
    "What does John Smith think about rates?": ("John Smith",),
    "what does john smith think about rates?": ("john smith",),
    "What did Nvidia say about demand?": ("Nvidia",),
    "What did the ECB say?": ("ECB",),
    "What is Acme's view on gold?": ("Acme",),
    "What did Dr. Jane Doe argue?": ("Jane Doe",),
    "What did Globex CEO Tim Jones say?": ("Tim Jones",),
    "What did Citi and Acme Securities say?": ("Acme Securities",),
    "What does Caldermoor Asset Management think?": ("Caldermoor Asset Management",),
    "Does Globex expect a recession?": ("Globex",),
    "What did O’Hara say about AT&T?": ("O’Hara",),
}


@pytest.mark.parametrize(("question", "speakers"), STRANGERS.items())
def test_an_unknown_name_in_the_place_of_a_speaker_is_one(question: str, speakers: tuple[str, ...]) -> None:
    assert asked(question).speakers == speakers


@pytest.mark.parametrize(
    "question",
    [
        "What did they say about rates?",
        "What did he say?",
        "What do analysts think?",
        "What does the note say?",
        "What did the article argue?",
        "According to the article, what happened?",
        "According to management, what happened?",
        "What did management say?",
        "What Did Management Say?",
        "What does anyone say about tin?",
        "What did the bank say?",
        "what do investors think of tin",
        "what do bulls argue",
        "what did hedge funds say",
        "What is the cost per GPU hour?",
        "earnings per share of Globex",
        "What is the price per MWh?",
        "What total does the Globex technical report give?",
        "According to the Globex note, who leads?",
        "Is Globex expected to grow?",
        "How did Globex do?",
        "What was the change in the number of shares granted?",
        "Who is the founder of Globex?",
        "",
        "?",
    ],
)
def test_whatever_is_no_name_in_the_place_of_a_speaker_is_none(question: str) -> None:
    assert (asked(question).speakers, asked(question).strict) == ((), False)


KINDS = {
    "What did Citi say about tin?": "said",
    "What does the note say about tin?": "said",
    "Acme's view on tin?": "said",
    "Bernstein on luxury": "said",
    "Who says tin is cheap?": "who",
    "Who covers Nestlé?": "who",
    "Which bank has the highest target?": "who",
    "Which analysts like cement?": "who",
    "Who is bullish on gold?": "who",
    "Which brokers disagree with Citi?": "who",
    "Who is the founder of Globex?": "other",
    "How much did tin fall?": "number",
    "How many mines closed?": "number",
    "By how much did tin fall?": "number",
    "What price target does Citi have?": "number",
    "What is the yield on bunds?": "number",
    "When will rates rise?": "number",
    "Compare Citi and UBS on tin": "compare",
    "Citi vs UBS": "compare",
    "Where do Citi and UBS differ?": "compare",
    "Does Citi agree with UBS?": "compare",
    "List the risks for airlines": "list",
    "Which companies are exposed to tin?": "list",
    "What are the risks?": "list",
    "Which stocks does Citi like?": "list",
    "Why is tin cheap?": "other",
    "": "other",
}


@pytest.mark.parametrize(("question", "kind"), KINDS.items())
def test_a_question_has_a_kind(question: str, kind: str) -> None:
    assert asked(question).kind == kind


WORDS = {
    "What did Citi say about the $5M training cost?": ("5m", "training", "cost"),
    "What is not included?": ("not", "included"),
    "What does O’Neil’s note say of P/E ratios?": ("o'neil", "p/e", "ratios"),
    "Barclays' view on AT&T's 4.5% yield": ("at&t", "4.5", "yield"),
    "What did Citi say about mid-cap re-rating?": ("mid", "cap", "re", "rating"),
    "Is the S&P 500 dear at 2,048?": ("s&p", "500", "dear", "2,048"),
    "“Nestlé’s” margins": ("nestlé", "margins"),
    "What did Citi say last week about tin?": ("tin",),
    "Which bank's analysts doubt tin?": ("doubt", "tin"),
    "What do these notes say about tin in 2024?": ("tin", "2024"),
    "According to Citi, tin tin tin": ("tin",),
    "What did Acme Securities say?": ("acme", "securities"),
    "how do you say it": (),
}


@pytest.mark.parametrize(("question", "words"), WORDS.items())
def test_the_words_are_what_it_is_about(question: str, words: tuple[str, ...]) -> None:
    assert asked(question).words == words


def test_figures_are_terms_but_those_of_a_condition_are_not() -> None:
    query = asked("What did Citi say about $5M since 20 February?")
    assert query.terms == ("usd5000000",)


def test_the_day_on_which_a_stranger_spoke_is_no_condition_on_the_notes() -> None:
    query = asked("What did Jane Doe say on 27 January?")
    assert (query.since, query.until, query.words) == (None, None, ("jane", "doe", "27", "january"))


def test_the_text_stays_as_it_was_asked() -> None:
    assert asked(" What’s new? ").text == " What’s new? "


PIECES = st.sampled_from(
    "what did does who which Citi Goldman's Petrov Acme say says think expects according to per on about and vs the "
    "target results notes since before between 20 27 Jan January 2025 last week 3 days , ? ' ’ $5M".split()
)


@given(st.text() | st.lists(PIECES, max_size=20).map(" ".join), st.dates())
def test_any_question_can_be_taken_apart(text: str, today: date) -> None:
    query = understand(text, today=today, people=PEOPLE)
    assert query.since is None or query.until is None or query.since < query.until
    assert query.strict <= bool(query.houses or query.people)


@given(st.lists(PIECES, max_size=20).map(" ".join))
def test_no_word_is_invented(text: str) -> None:
    folded = text.replace("’", "'").lower()
    query = asked(text)
    assert all(word in folded for word in query.words)
    assert all(name in text for name in query.speakers)


@pytest.mark.parametrize(
    "piece", ["did ", "Citi's ", "from Citi on ", "between 20 Jan and ", "say fell 20 Jan ", "Aa ", "'"]
)
def test_a_long_question_takes_no_longer_than_its_length(piece: str) -> None:
    text = piece * 4000
    started = perf_counter()
    asked(text)
    assert perf_counter() - started < 30


@pytest.mark.parametrize("name", ["Stacy Rasgon", "Stacy A Rasgon", "Rasgon"])
def test_a_middle_initial_may_be_left_out(name: str) -> None:
    query = understand(f"What does {name} say about chips?", today=date(2025, 2, 1), people=["Stacy A Rasgon"])
    assert (query.people, query.speakers) == (("Stacy A Rasgon",), ())


@pytest.mark.parametrize(
    "question",
    [
        "What does the author expect?",
        "what's the writer's verdict on capex?",
        "Does the newsletter think that it is over?",
        "What does the writer of the blog post joke about?",
        "In the article's author's view, is it over?",
    ],
)
def test_a_nameless_author_may_be_asked(question: str) -> None:
    query = understand(question, today=date(2025, 2, 1))
    assert query.own
    assert not {"author", "writer", "newsletter", "blog", "post"} & set(query.words)


@pytest.mark.parametrize(
    "question",
    [
        "According to the author, is Bernstein right about tin?",
        "What did the newsletter say about Bernstein's view?",
        "Does the author agree with Bernstein?",
        "What does the writer make of Bernstein?",
    ],
)
def test_a_house_that_the_author_speaks_of_is_not_asked(question: str) -> None:
    assert not understand(question, today=TODAY).strict


def test_a_house_that_the_author_quotes_is_asked() -> None:
    assert understand("What did Bernstein say, according to the author?", today=TODAY).strict


@pytest.mark.parametrize("question", ["Which author is quoted?", "the authority on chips", "What do writers earn?"])
def test_other_authors_are_a_topic(question: str) -> None:
    assert not understand(question, today=date(2025, 2, 1)).own


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("Who finds the talk exaggerated?", "who"),
        ("Who stays upbeat on data centres?", "who"),
        ("Who is the founder?", "other"),
        ("Who owns the lab?", "other"),
    ],
)
def test_who_does_something_asks_for_a_voice_and_who_is_somebody_for_a_fact(question: str, kind: str) -> None:
    assert understand(question, today=date(2025, 2, 1)).kind == kind


@pytest.mark.parametrize(
    ("question", "about"),
    [
        ("What did Bernstein say about the $5M?", "$5M"),
        ("What do Citi and Bernstein say about export controls?", "export controls"),
        ("Who thinks the $5M claim is wrong?", "$5M claim is wrong"),
        ("What is Jim Reid's view on AI?", "AI"),
        ("Which banks doubt the upgrade of Tesla?", "doubt the upgrade of Tesla"),
        ("What did Citi say?", "What did Citi say?"),
        ("Capex will fall.", "Capex will fall"),
        ("", ""),
    ],
)
def test_the_subject_is_the_question_without_who_is_asked(question: str, about: str) -> None:
    assert subject(question, ["Jim Reid"]) == about
