"""What is a copy, what only looks like one, and which of two versions is quoted."""

from __future__ import annotations

import random
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rag.copies
from rag.copies import (
    FUNCTION_WORDS,
    Version,
    better,
    messages,
    readability,
    says_the_same,
    signature,
    stems,
    versions,
    wording,
)
from rag.records import Document, Role, Stretch, Voice

MONDAY = datetime(2024, 3, 4, 8, tzinfo=UTC)

NOTE = """Copper looks tight into the summer, and we raise our year-end target to $11,400 a tonne from $10,200. \
Smelters in Chile have deferred maintenance twice, treatment charges have collapsed to 8 dollars, and visible \
stocks in London cover barely four days of consumption.

The consensus expects a wave of new supply from the Congo. We don't share that view: grades are falling, the \
railway to Lobito carries 240,000 tonnes a year at best, and two of three planned concentrators still lack power. \
Antofagasta remains our preferred way to own the theme; Boliden is better hedged, but its smelters suffer.

What could go wrong? A hard landing in Chinese construction would cost demand some 600,000 tonnes, and scrap \
collection responds quickly above $11,000. Neither is our central case."""

OTHER = """Parcel volumes in Europe disappointed again, with the large carriers reporting a decline of 3.1% for the \
quarter. Pricing held up better than we feared: surcharges for fuel and for peak season were passed on to merchants \
almost entirely, and contract renewals closed at increases of around four per cent. Lockers are the bright spot, \
because delivering to one costs a third of a doorstep delivery and customers appear to prefer them. We stay neutral \
on the sector until labour agreements in Germany and the Netherlands are signed."""

DAILY = """Market wrap for our clients. The S&P 500 closed {way} {change}% at {level}, with technology leading and \
utilities lagging. Ten-year yields ended at {rate}%. The full table of sector moves, the calendar for tomorrow and \
the list of analyst changes stand on our portal. Please reply to this message if you want a call with the desk about \
any of the names mentioned here, or if you would like to be taken off the distribution list."""

IRREGULAR = {"grades": "grade", "carries": "carry", "lack": "lack", "falling": "fall", "planned": "plan"}


def lemmatised(text: str) -> str:
    """A crude bag of words: no marks, figures, capitals or function words, endings taken off, hyphens closed."""
    words = []
    for token in text.lower().split():
        word = re.sub(r"[^a-z]", "", token.replace("’", "'").removesuffix("'s"))
        if len(word) < 2 or word in FUNCTION_WORDS or word in ("dont", "not", "no"):
            continue
        word = IRREGULAR.get(word, word)
        if word.endswith("ies"):
            word = word[:-3] + "y"
        elif word.endswith("s") and not word.endswith(("ss", "us", "is")):
            word = word[:-1]
        words.append(word)
    return " ".join(words)


def quoted(text: str, width: int) -> str:
    """What a mail program makes of a text in a reply: wrapped anew, each line behind a mark."""
    lines: list[str] = []
    for paragraph in text.split("\n\n"):
        line = ""
        for word in paragraph.split():
            if line and len(line) + 1 + len(word) > width:
                lines.append(line)
                line = word
            else:
                line = f"{line} {word}".strip()
        lines += [line, ""]
    return "\n".join(f"> {line}" for line in lines)


def document(*pieces: tuple[str, Role, Stretch], date: datetime | None = None) -> Document:
    text, voices = "", []
    for words, role, stretch in pieces:
        spoken = date if role == "quoted" else None
        voices.append(Voice(len(text), len(text) + len(words), None, None, role, stretch, spoken))
        text += words
    return Document("d", "d.eml", "email", "A mail", text, MONDAY, None, None, voices=tuple(voices))


def shares_band(one: str, other: str) -> bool:
    return not set(signature(one)).isdisjoint(signature(other))


def jaccard(one: str, other: str) -> float:
    return len(stems(one) & stems(other)) / len(stems(one) | stems(other))


# Messages


def test_the_author_s_words_and_the_message_that_a_reply_quotes_are_two_messages() -> None:
    mail = document(
        ("I agree with this.\n", "author", "words"),
        ("On Friday, Ann wrote:\n", "author", "header"),
        ("> Copper is tight.\n> Buy.\n", "quoted", "words"),
    )
    assert [(message.text, message.role) for message in messages(mail)] == [
        ("I agree with this.", "author"),
        ("Copper is tight. Buy.", "quoted"),
    ]


def test_each_header_of_a_chain_begins_a_message() -> None:
    mail = document(
        ("FYI\n", "author", "words"),
        ("From: Ann\n", "author", "header"),
        ("Please read.\n", "quoted", "words"),
        ("From: Bob\n", "quoted", "header"),
        ("Copper is tight.\n", "quoted", "words"),
    )
    assert [message.text for message in messages(mail)] == ["FYI", "Please read.", "Copper is tight."]


def test_comments_between_quoted_lines_are_one_message_and_so_are_the_lines() -> None:
    mail = document(
        ("On Friday, Ann wrote:\n", "author", "header"),
        ("> Copper is tight.\n", "quoted", "words"),
        ("Is it?\n", "author", "words"),
        ("> Zinc is not.\n", "quoted", "words"),
        ("It never is.\n", "author", "words"),
    )
    assert [message.text for message in messages(mail)] == ["Copper is tight. Zinc is not.", "Is it? It never is."]


def test_a_reply_below_the_message_that_it_quotes_is_the_author_s_own() -> None:
    mail = document(
        ("Hello,\n", "author", "words"),
        ("From: Ann\n", "author", "header"),
        ("Copper is tight.\n", "quoted", "words"),
        ("It never is.\n", "author", "words"),
    )
    assert [message.text for message in messages(mail)] == ["Hello, It never is.", "Copper is tight."]


def test_a_house_quoted_in_running_prose_stays_in_the_message_that_quotes_it() -> None:
    article = document(
        ("“Copper is tight,” ", "quoted", "words"), ("they say. ", "author", "words"), ("“Buy.”", "quoted", "words")
    )
    assert [(message.text, message.role) for message in messages(article)] == [
        ("“Copper is tight,” they say. “Buy.”", "author")
    ]


def test_signatures_and_disclaimers_are_in_no_message() -> None:
    mail = document(
        ("Copper is tight.\n", "author", "words"),
        ("--\nAnn\n", "author", "signature"),
        ("This is no offer.\n", "author", "disclaimer"),
    )
    assert [message.text for message in messages(mail)] == ["Copper is tight."]


def test_a_quoted_message_has_its_own_date_where_it_is_given() -> None:
    friday = MONDAY - timedelta(days=3)
    pieces: list[tuple[str, Role, Stretch]] = [
        ("Look.\n", "author", "words"),
        ("On Friday:\n", "author", "header"),
        ("> Buy.\n", "quoted", "words"),
    ]
    assert [message.date for message in messages(document(*pieces, date=friday))] == [MONDAY, friday]
    assert [message.date for message in messages(document(*pieces))] == [MONDAY, MONDAY]


roles: st.SearchStrategy[Role] = st.sampled_from(["author", "quoted"])
stretches: st.SearchStrategy[Stretch] = st.sampled_from(["words", "header", "signature", "disclaimer"])


@given(st.lists(st.tuples(st.text(alphabet="ab >\n", min_size=1), roles, stretches)))
def test_every_stretch_of_prose_is_in_exactly_one_message(pieces: list[tuple[str, Role, Stretch]]) -> None:
    mail = document(*pieces)
    spans = sorted(span for message in messages(mail) for span in message.spans)
    assert spans == [
        (voice.start, voice.end) for voice in mail.voices if voice.prose and mail.text[voice.start : voice.end].strip()
    ]


# Stems and signatures


@pytest.mark.parametrize(
    ("written", "copied"),
    [
        ("one-stop", "onestop"), ("OpenAI’s", "openais"), ("Hyper-R1", "hyperr"), ("costs", "cost"),
        ("running", "run"), ("companies", "company"), ("stated", "state"), ("and/or", "andor"),
        ("ﬁnancing", "finance"), ("near-term", "nearterm"),
    ],
)  # fmt: skip
def test_a_word_and_its_lemmatised_form_have_one_stem(written: str, copied: str) -> None:
    assert stems(written) == stems(copied) != frozenset()


def test_links_addresses_figures_and_function_words_are_no_stems() -> None:
    assert stems("See https://example.com/a and www.example.com or ann@example.com on 27 of the 3.5") == frozenset()


@given(st.permutations(NOTE.split()))
@settings(max_examples=20)
def test_the_order_of_the_words_does_not_matter_to_a_signature(words: list[str]) -> None:
    assert signature(" ".join(words)) == signature(NOTE)


def test_a_short_message_has_no_signature() -> None:
    assert signature("Thanks, will do. Talk tomorrow after the call with the desk.") == ()


def test_a_signature_is_the_same_in_another_process() -> None:
    code = "import sys; from rag.copies import signature; print(signature(sys.stdin.read()))"
    root = Path(rag.copies.__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-c", code], input=NOTE, capture_output=True, text=True, encoding="utf-8", check=True,
        env={"PYTHONHASHSEED": "7", "PYTHONPATH": str(root), "PYTHONUTF8": "1"},
    )  # fmt: skip
    assert done.stdout.strip() == str(signature(NOTE))


def test_a_signature_is_the_one_that_a_catalogue_was_built_with() -> None:
    assert signature(NOTE)[:2] == (23350459668754, 16586657104261)


def words_of_jaccard(share: float, size: int, chance: random.Random) -> tuple[str, str]:
    common = round(2 * size * share / (1 + share))
    words = ["".join(chance.choices("bcdfghkmpqrvwxz", k=6)) for _ in range(2 * size - common)]
    return " ".join(words[:size]), " ".join(words[size - common :])


@pytest.mark.parametrize(("share", "least", "most"), [(0.9, 1, 1), (0.7, 0.96, 1), (0.3, 0, 0.1), (0.1, 0, 0.01)])
def test_close_pairs_share_a_band_and_distant_ones_hardly_ever(share: float, least: float, most: float) -> None:
    chance = random.Random(11)
    pairs = [words_of_jaccard(share, 160, chance) for _ in range(250)]
    found = sum(shares_band(one, other) for one, other in pairs) / len(pairs)
    assert least <= found <= most


# Versions


@pytest.mark.parametrize(
    "copy", [quoted(NOTE, 60), lemmatised(NOTE), NOTE.upper(), NOTE + "\n\nPlease call us with questions."]
)
def test_a_copy_is_found_by_its_bands_and_is_a_version(copy: str) -> None:
    assert shares_band(NOTE, copy)
    assert versions(stems(NOTE), stems(copy))


def test_a_lemmatised_copy_is_far_closer_than_another_note() -> None:
    assert jaccard(NOTE, lemmatised(NOTE)) > 0.9
    assert jaccard(NOTE, OTHER) < 0.15


def test_another_note_is_no_version() -> None:
    assert not shares_band(NOTE, OTHER)
    assert not versions(stems(NOTE), stems(OTHER))


word_sets = st.frozensets(st.integers(0, 80).map(str), max_size=60)


@given(word_sets, word_sets)
def test_being_versions_is_mutual(one: frozenset[str], other: frozenset[str]) -> None:
    assert versions(one, other) == versions(other, one)


@given(word_sets)
def test_a_message_is_a_version_of_itself_if_it_is_long_enough(words: frozenset[str]) -> None:
    assert versions(words, words) == (len(words) >= 30)


# Saying the same

paragraphs = NOTE.split("\n\n")


@pytest.mark.parametrize("paragraph", paragraphs)
@pytest.mark.parametrize("width", [40, 72, 500])
def test_a_forwarded_paragraph_says_the_same(paragraph: str, width: int) -> None:
    assert says_the_same(quoted(paragraph, width), wording(NOTE))


@pytest.mark.parametrize("paragraph", paragraphs)
def test_typographic_changes_make_no_difference(paragraph: str) -> None:
    plain = paragraph.replace("'", "’").replace(" - ", "—")
    assert says_the_same(plain, wording(NOTE))


def test_a_bag_of_words_says_the_same_as_its_article() -> None:
    words = lemmatised(NOTE).split()
    assert all(says_the_same(" ".join(words[i : i + 30]), wording(NOTE + OTHER)) for i in range(0, len(words), 30))


def test_a_bag_of_words_from_elsewhere_does_not_say_the_same() -> None:
    assert not says_the_same(lemmatised(OTHER), wording(NOTE))


@pytest.mark.parametrize(
    ("bag", "same"),
    [
        (
            "copper target tonne 11400 10,200 smelter chile maintenance twice treatment charge collapse stock",
            True,
        ),
        ("copper target tonne 12900 smelter chile defer maintenance twice treatment charge collapse stock", False),
    ],
)
def test_the_digits_that_a_bag_of_words_kept_must_be_the_article_s(bag: str, same: bool) -> None:
    assert says_the_same(bag, wording(NOTE)) is same


def test_a_negation_that_a_bag_of_words_kept_must_be_in_the_article() -> None:
    bag = "copper not tight smelter chile defer maintenance twice treatment charge collapse visible stock london"
    article = "Copper is tight. Smelters in Chile deferred maintenance twice; treatment charges collapsed, and visible "
    assert not says_the_same(bag, wording(article + "stocks in London cover four days."))


ORIGINAL = (
    "The board of Ferrand will raise the dividend to 42 cents, because lending in Spain remains strong and costs fall."
)


@pytest.mark.parametrize(
    "other",
    [
        ORIGINAL.replace("42", "24"),
        ORIGINAL.replace("42 cents", "$42"),
        ORIGINAL.replace("will raise", "will not raise"),
        ORIGINAL.replace("will raise", "won't raise"),
        ORIGINAL.replace("raise", "cut"),
        ORIGINAL.replace("strong", "weak"),
        ORIGINAL.replace("Spain", "Italy"),
        ORIGINAL.replace("Ferrand", "Mercier"),
        ORIGINAL.replace("lending in Spain", "deposit growth there"),
    ],
)
def test_another_figure_name_direction_or_clause_is_another_statement(other: str) -> None:
    assert not says_the_same(other, wording(ORIGINAL))
    assert not says_the_same(ORIGINAL, wording(other))


PLAIN = (
    "management confirmed the plan to simplify branches across several regions, because customers visit them rarely, "
    "rents keep eating margins, younger clients expect mobile service, and branch employees near retirement age anyway"
)


@pytest.mark.parametrize(
    ("passage", "same"),
    [
        (PLAIN.replace("simplify", "streamline"), True),
        (PLAIN.replace("branches", "city branches"), True),
        (PLAIN.replace("rents", "founders resigned, rents"), False),
        (re.sub(r"(visit|several|mobile|eating)", "change", PLAIN), False),
    ],
    ids=["one word changed", "one word put in", "a clause put in", "every other word changed"],
)
def test_single_plain_words_may_differ_but_neither_many_nor_two_in_a_row(passage: str, same: bool) -> None:
    assert says_the_same(passage, wording(PLAIN)) is same


@pytest.mark.parametrize("turn", ["not", "hardly", "no longer", "down"])
def test_what_the_other_puts_between_plain_words_may_not_turn_them_round(turn: str) -> None:
    assert not says_the_same(PLAIN, wording(PLAIN.replace("confirmed the", f"confirmed {turn} the")))


def test_who_does_what_must_agree() -> None:
    one = "The Fed raises rates by 25bp while the ECB lowers them by 50bp."
    other = "The ECB raises rates by 25bp while the Fed lowers them by 50bp."
    assert not says_the_same(one, wording(other))


def test_a_leading_no_turns_a_sentence_round() -> None:
    assert not says_the_same("growth in lending is visible.", wording("No growth in lending is visible."))


def test_daily_mails_from_one_template_are_different_news() -> None:
    monday = DAILY.format(way="up", change="0.4", level="5,123", rate="4.21")
    tuesday = DAILY.format(way="down", change="1.2", level="5,061", rate="4.35")
    assert versions(stems(monday), stems(tuesday))
    assert not says_the_same(tuesday, wording(monday))


def test_of_a_longer_second_version_only_what_was_said_before_is_a_copy() -> None:
    added = "Update at noon: Codelco now guides to output of 1.33 million tonnes, which settles the debate."
    second = [*paragraphs[:2], added, paragraphs[2]]
    assert [says_the_same(paragraph, wording(NOTE)) for paragraph in second] == [True, True, False, True]


def test_what_says_nothing_is_no_copy() -> None:
    assert not says_the_same("* * *", wording(NOTE))
    assert not says_the_same("", wording(""))


contents = st.lists(
    st.sampled_from("growth Spain 4.2% not no isn't up cut the of lending $5bn margins. Fed, one-stop x > -".split()),
    min_size=1,
).map(lambda words: " ".join(["Lending", *words]))


@given(contents)
def test_a_text_says_the_same_as_itself(text: str) -> None:
    assert says_the_same(text, wording(text))


@given(contents, st.integers(1, 20))
def test_wrapping_and_quoting_change_nothing(text: str, width: int) -> None:
    assert wording(quoted(text, 20 + width)) == wording(quoted(text, 80))


# Readability


@pytest.mark.parametrize(
    "text",
    [
        NOTE,
        OTHER,
        NOTE.upper(),
        "Die Zinsen steigen weiter, sagt Müller. Anleger sollten Aktien meiden; Gold bleibt gefragt, Kupfer auch.",
        "| Name | Kurs | Ziel |\n|---|---|---|\n| Alba | 12.40 | 15.00 |\n| Brava | 7.10 | 6.50 |",
        "铜价今年可能继续上涨，因为库存很低。我们上调目标价至一万一千美元。",
        "Name Kurs Ziel\nAlba 12.40 15.00\nBrava 7.10 6.50\nCorto 3.90 4.00\nDelta 8.80 9.10\nErva 1.20 2.20",
        "Thanks",
        "",
    ],
    ids=["prose", "more prose", "capitals", "German", "table", "Chinese", "columns", "one word", "nothing"],
)  # fmt: skip
def test_what_was_written_to_be_read_is_readable(text: str) -> None:
    assert readability(text) > 0.6


@pytest.mark.parametrize("text", [lemmatised(NOTE), lemmatised(OTHER), lemmatised(NOTE) + " …"])
def test_a_bag_of_words_is_not_readable(text: str) -> None:
    assert readability(text) < 0.2


def test_a_chat_without_capitals_and_marks_is_less_readable_than_prose_and_more_than_a_bag() -> None:
    chat = "ok so i will call him tomorrow and then we can see if they want to do it this week or the next"
    assert readability(lemmatised(NOTE)) < readability(chat) < readability(NOTE)


@given(st.text())
def test_readability_is_a_share(text: str) -> None:
    assert 0 <= readability(text) <= 1


# The better version

OWN = Version("m", 0.97, True, "author", MONDAY)


@pytest.mark.parametrize(
    "worse",
    [
        Version("a", 0.12, True, "author", MONDAY - timedelta(days=9)),
        Version("a", 1.0, True, "quoted", MONDAY - timedelta(days=9)),
        Version("a", 1.0, True, "author", MONDAY + timedelta(days=1)),
        Version("n", 1.0, True, "author", MONDAY),
    ],
    ids=["degraded", "quoted", "later", "next id"],
)
def test_the_better_version_is_readable_then_own_then_early_then_first_by_id(worse: Version) -> None:
    assert better(OWN, worse) == better(worse, OWN) == OWN


# Untrusted input


@pytest.mark.parametrize("nasty", ["a", "a@", ">", "> ", "1,", "a-", "\n", "no up ", "$ ", "x\n> "])
def test_a_long_run_of_anything_is_compared_to_the_end(nasty: str) -> None:
    text = nasty * (50_000 // len(nasty))
    assert len(signature(text)) in (0, len(signature(NOTE)))
    assert 0 <= readability(text) <= 1
    assert says_the_same(text, wording(text)) in (False, True)
