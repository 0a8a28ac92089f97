from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.attribution import attribute
from rag.records import Document, Voice


def note(text: str, kind: str = "note", author: str | None = None, house: str | None = None, **meta: str) -> Document:
    date = datetime(2025, 1, 27, tzinfo=UTC)
    return Document("id", "a.md", kind, "A title", text, date, author, house, meta=meta)


def voice(document: Document, snippet: str) -> Voice:
    assert document.text.count(snippet) == 1
    at = document.text.index(snippet)
    return next(v for v in attribute(document).voices if v.start <= at < v.end)


# Written for these tests; the snippets' speakers are given as house or house/person, "-" being the writer.
PROSE = (
    "Copper had a rotten Tuesday, and the inbox filled up before lunch. We have tidied the formatting and nothing "
    "else. First to the keyboard was Barclays’ Priya Natarajan: Smelters in the north are running at 71 per cent of "
    "capacity, which is the lowest reading since the survey began. We doubt that anybody will restart furnaces before "
    "the spring. Which is gloomy. Over to Hugo Brandt, head of metals strategy at UBS . . . Scrap is the swing supply "
    "that nobody counts. Our channel checks suggest a million tonnes could come back within weeks. (UBS did say the "
    "same thing last year, and nothing came back.) Miners were less chatty. According to Macquarie, only two of the "
    "eleven producers it covers have hedged. Goldman shares fell 3 per cent on the day, for unrelated reasons. "
    "“Inventories tell you nothing. They are a lagging guide,” says RBC. Quite so. Natarajan again: We would buy the "
    "dip below eight thousand. © Barclays The Chileans, meanwhile, are on strike. HSBC takes the other side: Demand "
    "from grid builders is contracted years ahead, so the price hardly matters to them. We think consensus is too low. "
    "And Macquarie, once more: Hedging will rise as lenders insist on it. That is also the thinking at Jefferies, "
    "which has been bullish since the summer. Grid spending compounds at nine per cent in every scenario that we ran. "
    "We will update this article if anyone changes their mind."
)
PROSE_SPEAKERS = [
    ("rotten Tuesday", "-"),
    ("tidied the formatting", "-"),
    ("71 per cent of capacity", "Barclays/Priya Natarajan"),
    ("restart furnaces", "Barclays/Priya Natarajan"),
    ("Which is gloomy", "-"),
    ("swing supply", "UBS/Hugo Brandt"),
    ("channel checks", "UBS/Hugo Brandt"),
    ("nothing came back", "-"),
    ("less chatty", "-"),
    ("eleven producers", "Macquarie"),
    ("Goldman shares fell", "-"),
    ("Inventories tell you", "RBC"),
    ("a lagging guide", "RBC"),
    ("Quite so", "-"),
    ("buy the dip", "Barclays/Priya Natarajan"),
    ("are on strike", "-"),
    ("grid builders", "HSBC"),
    ("consensus is too low", "HSBC"),
    ("lenders insist", "Macquarie"),
    ("Grid spending compounds", "Jefferies"),
    ("changes their mind", "-"),
]

PARAGRAPHS = """\
# What the street makes of the budget

Gilts sold off, then they did not. Here is how the desks read it.

NatWest Markets thinks that the market has it wrong:

> The supply number is 14bn below what dealers had pencilled in. Duration is the smaller half of the story.
>
> We stay long the ten-year.

Not everybody is on board with that. "The arithmetic only works if growth doubles," argues Nomura's Keiko Arai, \
who has been short since May. She adds that the debt office is "running out of road".

From the equity side, Peel Hunt's team writes:

"Housebuilders get their subsidy, and small caps get nothing.

"That is the third budget in a row."

Make of that what you will. Sterling barely moved, which Rabobank puts down to positioning.

Here's Danske Bank on the currency:

The pound trades on relative rates and on very little else. Fiscal news matters through the front end.

Cable should drift to 1.22 on our numbers.

That brings us to the banks. Per Deutsche Bank's Omar Haddad, "the levy is a rounding error".

A reader writes to say that the levy is not a rounding error for him.
"""
PARAGRAPH_SPEAKERS = [
    ("Gilts sold off", "-"),
    ("supply number is 14bn", "NatWest Markets"),
    ("long the ten-year", "NatWest Markets"),
    ("Not everybody is on board", "-"),
    ("arithmetic only works", "Nomura/Keiko Arai"),
    ("running out of road", "Nomura/Keiko Arai"),
    ("Housebuilders get", "Peel Hunt"),
    ("third budget in a row", "Peel Hunt"),
    ("Make of that", "-"),
    ("down to positioning", "Rabobank"),
    ("relative rates", "Danske Bank"),
    ("drift to 1.22", "Danske Bank"),
    ("brings us to the banks", "-"),
    ('rounding error"', "Deutsche Bank/Omar Haddad"),
    ("A reader writes", "-"),
]


MINERS = (
    "Lithium is back, sort of. The phones have not stopped. Enter William Blair: Our dealers tell us that spot"
    " cargoes clear at eleven dollars a kilo. Inventory days have halved since June. Punchy stuff. Stifel's "
    "take: The contango is a mirage, since nobody can store hydroxide for long. We stay at hold. At Berenberg,"
    " Lena Vogt is having none of it: “Every cycle ends with a flood of African tonnes. This one will too.” "
    "Perhaps. Then there’s Canaccord, whose miners team has been early before. The floor is set by Chinese "
    "lepidolite, and that floor is rising. We raise our deck by 8 per cent. As TD Cowen puts it: batteries are"
    " the new cement, and cement has never made anyone rich. But wait, what about sodium? Asked about it, "
    "Evercore’s Tom Ruiz told us that “sodium is a rounding error until 2030”. Ruiz expands on that in a "
    "longer missive: Cell density is stuck. No carmaker will redesign a platform for a tenth less range. Not so fast. "
    "Shore Capital (house broker to one of the miners) begs to differ. Grid storage does not care for density, and "
    "that market doubles each year. Anyway, we digress. Meanwhile at Santander, analysts led by Inés Mora "
    "write that royalties are the real story. “Chile takes forty cents of every dollar,” they say. Handing "
    "over to Daiwa’s Ken Ito for the view from Asia. Cathode makers in Osaka run one shift. They will not "
    "restock before the quarter ends. If you know better, email us at the usual address."
)
MINER_SPEAKERS = [
    ("sort of", "-"),
    ("spot cargoes", "William Blair"),
    ("Inventory days", "William Blair"),
    ("Punchy stuff", "-"),
    ("contango is a mirage", "Stifel"),
    ("stay at hold", "Stifel"),
    ("having none of it", "-"),
    ("flood of African", "Berenberg/Lena Vogt"),
    ("This one will too", "Berenberg/Lena Vogt"),
    ("Perhaps", "-"),
    ("been early before", "-"),
    ("Chinese lepidolite", "Canaccord Genuity"),
    ("raise our deck", "Canaccord Genuity"),
    ("new cement", "TD Cowen"),
    ("what about sodium", "-"),
    ("sodium is a rounding", "Evercore/Tom Ruiz"),
    ("Cell density", "Evercore/Tom Ruiz"),
    ("tenth less range", "Evercore/Tom Ruiz"),
    ("Grid storage", "Shore Capital"),
    ("we digress", "-"),
    ("royalties are", "Santander/Inés Mora"),
    ("forty cents", "Santander/Inés Mora"),
    ("Cathode makers", "Daiwa/Ken Ito"),
    ("restock before", "Daiwa/Ken Ito"),
    ("usual address", "-"),
]

DESK = """\
Morning all,

A few bits from the overnight pile.

Goldman Sachs on chips: the correction is two thirds done and the rest is positioning. They would add on weakness.

- UBS: we cut our target for foundries by a tenth, because utilisation is falling.
- JPM (Sato): memory is the only corner where prices still rise.
- CPI at 13:30.

Wells Fargo's rates desk had this to say:

"Auctions are well bid at the long end. Foreign demand is real."

I am less sure about that.

Evercore's view is that the cut comes in June. BNP, by contrast, sees no cut this year at all.

From Bank of America's Lin Zhao:

> The dollar is the only hedge that works.

Interesting, though the record is mixed. HSBC closed its branch in Leeds. Barclays rose 2%.

**Commerzbank**

Bunds are rich on every measure that we run.

**Our positions**

We hold nothing in Bunds.
"""
DESK_SPEAKERS = [
    ("overnight pile", "-"),
    ("two thirds done", "Goldman Sachs"),
    ("utilisation is falling", "UBS"),
    ("only corner", "JPMorgan"),
    ("CPI at", "-"),
    ("had this to say", "-"),
    ("well bid", "Wells Fargo"),
    ("Foreign demand", "Wells Fargo"),
    ("less sure about", "-"),
    ("cut comes in June", "Evercore"),
    ("no cut this year", "BNP Paribas"),
    ("only hedge", "Bank of America/Lin Zhao"),
    ("record is mixed", "-"),
    ("branch in Leeds", "-"),
    ("Barclays rose", "-"),
    ("Bunds are rich", "Commerzbank"),
    ("hold nothing", "-"),
]


def assert_speaker(document: Document, snippet: str, expected: str) -> None:
    found = voice(document, snippet)
    name = "-" if found.role == "author" else "/".join(filter(None, (found.house, found.person)))
    assert name == expected


@pytest.mark.parametrize(("snippet", "expected"), PROSE_SPEAKERS)
def test_prose_without_line_breaks_is_given_to_its_speakers(snippet: str, expected: str) -> None:
    assert_speaker(note(PROSE), snippet, expected)


@pytest.mark.parametrize(("snippet", "expected"), PARAGRAPH_SPEAKERS)
def test_paragraphs_and_quotations_are_given_to_their_speakers(snippet: str, expected: str) -> None:
    assert_speaker(note(PARAGRAPHS), snippet, expected)


@pytest.mark.parametrize(("snippet", "expected"), MINER_SPEAKERS)
def test_prose_with_rarer_phrases_is_given_to_its_speakers(snippet: str, expected: str) -> None:
    assert_speaker(note(MINERS), snippet, expected)


@pytest.mark.parametrize(("snippet", "expected"), DESK_SPEAKERS)
def test_a_desk_s_round_up_in_lists_and_headings_is_given_to_its_speakers(snippet: str, expected: str) -> None:
    assert_speaker(note(DESK), snippet, expected)


@pytest.mark.parametrize(("snippet", "expected"), PROSE_SPEAKERS)
def test_straight_quotation_marks_change_nothing(snippet: str, expected: str) -> None:
    table = str.maketrans("“”’", '""\'')
    assert_speaker(note(PROSE.translate(table)), snippet.translate(table), expected)


HOUSE_NOTE = (
    "Chip stocks fell. Citi says foundries are cheap, and Goldman rose 2 per cent. We remain underweight. "
    "Bernstein says: “The correction in memory has run its course by now.” We do not share that view."
)


@pytest.mark.parametrize("snippet", ["Chip stocks fell", "foundries are cheap", "underweight", "do not share"])
def test_a_house_that_mentions_another_speaks_for_itself(snippet: str) -> None:
    assert_speaker(note(HOUSE_NOTE, house="UBS"), snippet, "-")


def test_a_house_that_quotes_another_gives_it_its_words() -> None:
    assert_speaker(note(HOUSE_NOTE, house="UBS"), "run its course", "Bernstein")


@pytest.mark.parametrize(
    "text",
    [
        "Goldman fell 3 per cent. Its rating by Citi was cut, and Barclays closed two branches.",
        "Goldman Sachs said it would cut 500 jobs. Citi reported profits of $3bn.",
        "The winners: Citi, UBS and HSBC. Citi: Buy, $90.",
        "Liang said that more chips are needed. A friend adds: they are not to be had.",
        "We had a call from UBS. From Citi he went to HSBC. The money came back to Barclays. Here’s why UBS fell.",
        "She works at Citi. We met for lunch and talked about copper.",
    ],
)
def test_a_house_in_the_news_is_no_speaker(text: str) -> None:
    assert [v.role for v in attribute(note(text)).voices] == ["author"]


@given(
    st.lists(
        st.sampled_from(["Here’s Citi’s Ann Lee: ", "We see growth. ", "“Rates fall,” says UBS. ", "\n\n", "> ", "\n"])
        | st.sampled_from(
            ["(UBS did say so.) ", "© Citi ", "He adds: ", "Lee again: ", "On 1 May 2024, Bo wrote:\n", "-- \n"]
        )
        | st.text(max_size=8),
        max_size=25,
    ).map("".join),
    st.sampled_from(["email", "note"]),
    st.sampled_from([None, "UBS"]),
)
@settings(deadline=None)
def test_voices_cover_the_text_without_gaps_or_overlaps(text: str, kind: str, house: str | None) -> None:
    voices = attribute(note(text, kind=kind, house=house)).voices
    edges = [0, *(v.end for v in voices)]
    assert edges[-1] == len(text)
    assert all(v.start == edge < v.end for v, edge in zip(voices, edges, strict=False))


def test_attributing_twice_changes_nothing() -> None:
    once = attribute(note(PROSE, author="Poe, Ann"))
    assert attribute(once) == once


MAIL = """\
Team,

I would fade this.

Kind regards,
Ann Lee
UBS

-----Original Message-----
From: Bo Ek [mailto:bo.ek@research.citi.com]
Sent: Monday
To: Ann Lee
Subject: Rates

Yields look stretched.
> An unnamed line
"""


def test_a_mail_belongs_to_the_house_of_its_sender_s_domain() -> None:
    document = attribute(note("Hello", kind="email", author="Lee, Ann (UBS)", domain="mail.ubs.com"))
    assert (document.house, document.author) == ("UBS", "Ann Lee")


def test_a_mail_from_elsewhere_belongs_to_the_house_in_its_signature() -> None:
    assert attribute(note(MAIL, kind="email", author="Ann Lee", domain="mail.example")).house == "UBS"


def test_a_quoted_message_belongs_to_its_sender_and_his_house() -> None:
    found = voice(note(MAIL, kind="email", author="Ann Lee"), "Yields look stretched")
    assert (found.house, found.person, found.role) == ("Citi", "Bo Ek", "quoted")


def test_a_signature_stays_the_author_s_and_is_no_prose() -> None:
    text = "Sell.\n\nRegards,\nAnn Lee\nUBS: +44 20 0000 0000, 5 Long Street, London\n"
    voices = attribute(note(text, kind="email", author="Ann Lee")).voices
    assert [(v.role, v.prose) for v in voices] == [("author", True), ("author", False)]


def test_a_mail_that_goes_on_behind_its_thanks_is_prose_to_the_end() -> None:
    text = "Hello.\n\nThanks\n\n" + "Copper rose again on Monday. " * 20
    assert all(v.prose for v in attribute(note(text, kind="email", author="Ann Lee")).voices)


def test_the_header_of_a_forwarded_mail_is_no_prose() -> None:
    document = note(MAIL, kind="email", author="Ann Lee")
    assert not voice(document, "Sent: Monday").prose
    assert voice(document, "Yields look stretched").prose


def test_quoted_lines_of_nobody_named_have_no_house_in_a_mail() -> None:
    found = voice(note("See this.\n\n> Rates fell.\n", kind="email", house="UBS"), "Rates fell")
    assert (found.house, found.person, found.role) == (None, None, "quoted")


def test_the_author_s_own_earlier_mail_is_the_author_s() -> None:
    text = "As I said.\n\nOn 2 May 2024, Ann Lee <ann@ubs.com> wrote:\n> Rates fall.\n"
    found = voice(note(text, kind="email", author="Ann Lee", **{"from": "ann@ubs.com"}), "Rates fall")
    assert found.role == "author"


@pytest.mark.parametrize(
    ("house", "expected"), [("bofa", "Bank of America"), (" Acme Partners ", "Acme Partners"), ("", None)]
)
def test_a_house_in_front_matter_is_made_canonical_if_known(house: str, expected: str | None) -> None:
    assert attribute(note("Rates fell.", house=house)).house == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Rates fell. " * 80 + "Sign up for the free Axios newsletter here.", "Axios"),
        ("Rates fell. " * 80 + "This report has been produced by Vontobel for its clients.", "Vontobel"),
        ("We at Ruffer think that rates fall. " + "They fell. " * 80, "Ruffer"),
        ("Rates fell, says Citi. " * 80, None),
        ("Subscribe to Axios. " + "Rates fell. " * 80 + "Subscribe to Semafor.", None),
    ],
)
def test_a_note_has_a_home_on_clear_evidence_only(text: str, expected: str | None) -> None:
    assert attribute(note(text)).house == expected


@pytest.mark.parametrize("opening", ["Thanks!", "Best", "Cheers", "--", "Many thanks,"])
def test_a_mail_that_opens_with_a_sign_off_is_prose(opening: str) -> None:
    text = f"{opening}\n\nTarget cut to $90\n"
    assert all(v.prose for v in attribute(note(text, kind="email", author="Ann Lee")).voices)


def test_a_signature_above_a_disclaimer_still_names_the_house() -> None:
    text = "Sell.\n\nRegards,\nAnn Lee\nUBS\n\nThis message is meant for its recipient only."
    assert attribute(note(text, kind="email", author="Ann Lee")).house == "UBS"


def stretch(text: str, kind: str, of: str = "email") -> str:
    return "".join(text[v.start : v.end] for v in attribute(note(text, kind=of)).voices if v.stretch == kind)


def prose(text: str) -> str:
    return stretch(text, "words")


@pytest.mark.parametrize(
    "text",
    [
        "Thanks!\n\nWe upgrade Nvidia to Buy with a target of $140 and expect more.\n",
        "Many thanks,\n\nsee my numbers for the quarter below\n",
        "Cheers\n\nTarget cut to $90\n",
        "Hi Bob,\n\nThanks!\n\nNvidia up, Intel down\n",
        "Rates fell.\n\nBest\n\nTarget cut to 90\n",
        "Rates fell.\n\nThanks\n\nMargins up 4%\n",
        "Rates fell.\n\nThanks\n\n" + "Copper\n" * 9,
        "First item\n--\nSecond item\n--\nThird item\n",
        "Chips fell.\n--\nBanks rose, which we like.\n",
        "Please call him today:\n\nAnn Lee\nann@ubs.com\n",
        "Rates fell.\n\nUBS Group\nCiti Group\nING Group\n",
        "Rates fell.\n\nCheers,\nAnn\n\nPS: We upgrade Nvidia today.\n",
    ],
)
def test_no_sign_off_takes_words_of_the_mail_with_it(text: str) -> None:
    assert prose(text) == text


@pytest.mark.parametrize(
    "block",
    [
        "Kind regards,\n\nAnn Lee, CFA\nManaging Director, Head of European Rates\nAcme & Co. Ltd.\n5 St. James St.\n"
        "Tel. +44 20 0000 0000\nann.lee@ubs.com | www.ubs.com\n",
        "-- \nAnn Lee\nUBS\n",
        "Thanks,\nAnn\n\n--\nAnn Lee\nUBS\n",
        "Cheers!\nAnn\n\nSent from my iPhone\n",
        "Sent from my iPhone\n",
        "Von meinem iPhone gesendet\n",
        "С уважением,\nАнна Ли\n",
        "Med vänlig hälsning,\nAnn Lee\n",
        "Ann Lee, CFA\nHead of Rates\nann.lee@ubs.com\n+44 20 0000 0000\n",
        "Ann Lee\nt. 555-931-0700\nwww.example.com\n",
        "----------\nAnn Lee\n\nAcme\n\nt. 555-931-0700\n",
    ],
)
def test_a_name_block_is_no_prose(block: str) -> None:
    assert prose("Rates fell.\n\n" + block) == "Rates fell.\n\n"


FOOTERS = [
    "This email and any attachments are confidential and intended solely for the addressee.",
    "If you are not the intended recipient, please delete it and tell the sender.",
    "Please consider the environment before printing this page.",
    "For important disclosures, please see www.example.com/disclosures.",
    "For other important disclosures please refer to the last page of this note.",
    "Unsubscribe",
    "To unsubscribe, e-mail: desk-unsubscribe@example.com",
    "You are receiving this newsletter because you signed up for it.",
    "This material has been prepared by the sales desk for institutional clients. It is no solicitation to buy or "
    "sell, and no investment advice.",
    "I, Ann Lee, hereby certify that the views in this note are my own.",
    "Diese E-Mail ist vertraulich und nur für den Empfänger bestimmt. Bitte löschen Sie sie, wenn sie Sie irrtümlich "
    "erreicht.",
    "Ce message est confidentiel et réservé à son destinataire. Toute divulgation est interdite.",
    "Este mensaje es confidencial y va dirigido a su destinatario. Queda prohibida su divulgación.",
    "Questo messaggio è riservato al solo destinatario. Ne è vietata la diffusione.",
    "Dit bericht is vertrouwelijk en bestemd voor de geadresseerde. Verspreiding is verboden.",
]


@pytest.mark.parametrize("kind", ["email", "note"])
@pytest.mark.parametrize("footer", FOOTERS)
def test_legal_text_at_the_end_is_a_disclaimer(footer: str, kind: str) -> None:
    assert stretch(f"Rates fell.\n\n{footer}", "disclaimer", kind) == footer


@pytest.mark.parametrize("kind", ["email", "note"])
@pytest.mark.parametrize(
    "text",
    [
        "This message is confidential to nobody: rates fall.",
        "The offer is under review, and the liability of its directors is not limited, say the regulators.",
        "This report has been prepared with our clients in mind. Rates fall, and banks follow.",
        "This email is confidential and privileged for the recipient: we see Nvidia at $140.",
        "This email is confidential and privileged for the recipient: margins rise 4% on disclosure.",
        "For further disclosure of the loan book we wait until March.",
        "Past performance is no guide, but we like banks.",
        "Please consider the price of copper. It is low.",
        "If you have received the note on copper, read its last page.",
        "Unsubscribe rates are what worries us about streaming, and they rise in every market that we follow closely.",
    ],
)
def test_prose_that_begins_like_a_disclaimer_is_prose(text: str, kind: str) -> None:
    assert stretch(f"Rates fell.\n\n{text}", "words", kind) == f"Rates fell.\n\n{text}"


def test_what_stands_below_a_disclaimer_keeps_it_among_the_words() -> None:
    text = f"Rates fell.\n\n{FOOTERS[0]}\n\nPS: We upgrade Nvidia to Buy today."
    assert prose(text) == text


def test_a_disclaimer_takes_its_rule_its_title_and_the_address_below_it() -> None:
    footer = f"________________\nImportant disclosures\n\n{FOOTERS[0]}\n\nAcme Ltd, 5 Long Street\nwww.example.com"
    assert stretch(f"Rates fell.\n\n{footer}", "disclaimer") == footer


def test_a_name_block_above_a_disclaimer_is_a_signature() -> None:
    text = f"Rates fell.\n\nRegards,\nAnn Lee\nUBS\n\n{FOOTERS[0]}"
    assert [v.stretch for v in attribute(note(text, kind="email")).voices] == ["words", "signature", "disclaimer"]


def test_each_quoted_message_keeps_its_own_disclaimer() -> None:
    text = f"Ok.\n\nOn 2 May 2024, Bo Ek <bo@citi.com> wrote:\n> Sell.\n>\n> {FOOTERS[0]}\n"
    found = attribute(note(text, kind="email")).voices[-1]
    assert (found.stretch, found.house, found.person) == ("disclaimer", "Citi", "Bo Ek")


def test_a_quoted_message_has_its_date_and_the_lines_that_name_its_writer() -> None:
    line = "On 2 May 2024, Bo Ek <bo@citi.com> wrote:"
    document = note(f"Ok.\n\n{line}\n> Yields look stretched.\n", kind="email")
    found = voice(document, "Yields look")
    assert found.cue
    assert (document.text[slice(*found.cue)], found.date) == (line, datetime(2024, 5, 2, tzinfo=UTC))


def test_a_quoted_message_from_elsewhere_belongs_to_the_house_in_its_signature() -> None:
    text = "Ok.\n\nOn 2 May 2024, Bo Ek <bo@mail.example> wrote:\n> Sell.\n>\n> Regards,\n> Bo Ek\n> Citi\n"
    assert voice(note(text, kind="email"), "Sell.").house == "Citi"


def test_the_author_s_own_earlier_mail_is_told_from_his_new_words() -> None:
    text = "As I said.\n\nOn 2 May 2024, Ann Lee <ann@ubs.com> wrote:\n> Rates fall.\n"
    document = note(text, kind="email", author="Ann Lee", **{"from": "ann@ubs.com"})
    assert (voice(document, "As I said").date, voice(document, "Rates fall").date) == (
        None,
        datetime(2024, 5, 2, tzinfo=UTC),
    )


def test_what_a_house_says_has_its_cue_in_the_text() -> None:
    found = voice(note(PROSE), "swing supply")
    assert found.cue
    assert "Hugo Brandt" in PROSE[slice(*found.cue)]
    assert 0 < found.confidence <= 1


def test_neighbours_that_differ_in_their_cue_alone_are_one_voice() -> None:
    text = "“Rates fell a long way,” says UBS. “Copper rose a long way,” says UBS. “Gold fell a long way,” says UBS."
    spoken = [v for v in attribute(note(text)).voices if v.role == "quoted"]
    assert [v.house for v in spoken] == ["UBS"]


@pytest.mark.parametrize(
    ("domain", "text", "expected"),
    [
        ("ubs.com", "Rates fell.", "UBS"),
        ("ubs.com", "UBS sees rates falling.", "UBS"),
        ("ubs.com", "Citi sees rates falling.", None),
        ("ft.com", "Rates fell.", None),
        ("mail.example", "Rates fell.", None),
        ("", "Rates fell.", None),
    ],
)
def test_an_attached_note_is_its_sender_s_unless_it_names_another_house(
    domain: str, text: str, expected: str | None
) -> None:
    assert attribute(note(text, sender_domain=domain)).house == expected


@pytest.mark.parametrize(
    "text",
    [
        "> Rates fell today.\n" * 10_000,
        "On 2 May 2024, Ann Lee <ann@ubs.com> wrote:\n" * 20_000,
        "Rates fell.\n" + "Thanks\n" * 10_000,
        "Rates fell.\n" + "----\nAnn Lee\n" * 5_000,
        f"{FOOTERS[0]}\n\n" * 4_000,
        "a" * 1_000_000,
        "This email is confidential to the recipient. " * 20_000,
    ],
    ids=["quoted", "announcements", "thanks", "rules", "footers", "one word", "one line"],
)
def test_long_mails_are_attributed_in_linear_time(text: str) -> None:
    began = time.process_time()
    attribute(note(text, kind="email"))
    assert time.process_time() - began < 30
