"""What the rules say of pairs of claim and quote; half of them are traps, where the right answer is none."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.stances import stance

AGREE = [
    # the claim's own words
    ("Export quotas failed", "Export quotas have failed."),
    ("Capex will fall", "In our view, capex will fall."),
    ("Capex will fall", "We think that capex will fall next year."),
    ("Capex will fall", "We expect capex to fall sharply."),
    ("Capex will fall", "We still expect capex to decline in 2026."),
    ("Capex will fall", "Capex is going to shrink."),
    ("Capex will fall in 2026", "Capex will decline in 2026."),
    ("Capex will not fall", "We do not expect capex to fall."),
    ("Capex will not fall", "Capex won’t fall."),
    ("Freight rates will rise", "We see freight rates rising, as capacity is tight."),
    ("Tesco will raise prices", "Tesco will raise prices."),
    ("Tesco will raise prices", "Tesco will increase its prices again, and we like that."),
    ("Rio Tinto is cheap", "Rio Tinto looks cheap."),
    ("Rio Tinto is cheap", "Rio Tinto remains undervalued."),
    ("We are bullish on copper", "We remain constructive on copper."),
    ("Bullish on copper", "We stay bullish on copper."),
    ("Shell cut its dividend", "Shell cut its dividend."),
    # figures
    ("Ocado's warehouse cost £90m", "Ocado's warehouse cost £90 million."),
    ("Ocado's warehouse cost £90m", "The warehouse of Ocado cost roughly £90mn."),
    ("Our price target for Pfizer is $34", "Our price target for Pfizer is $34."),
    ("Boeing will deliver 348 aircraft", "We expect Boeing to deliver 348 aircraft."),
    ("Margins will rise 150bp", "We forecast that margins will rise 150 bps."),
    ("The deficit is 6% of GDP", "The deficit is 6 per cent of GDP."),
    ("Lithium costs less than $9,000 a tonne", "Lithium costs less than $9,000 a tonne."),
    ("Carnival fell 7%", "Carnival fell 7%."),
    # explicit affirmation
    ("Capex will fall", "The view that capex will fall is right."),
    ("Capex will fall", "It is true that capex will fall."),
    ("Capex will fall", "We agree that capex will fall."),
    ("Capex will fall", "The idea that capex will fall is not wrong."),
    ("Capex will fall", "We do not dispute that capex will fall."),
    ("Capex will fall", "We agree with the notion that capex will decline."),
    ("Tariffs will raise prices", "Will tariffs raise prices? Yes, and soon."),
    ("Margins will not recover", "It is false that margins will recover."),
    # ratings
    ("Siemens is a buy", "We reiterate our Buy rating on Siemens."),
    ("Siemens is a buy", "We rate Siemens Overweight with a target of €210."),
    ("Siemens is a buy", "We upgrade Siemens from Hold to Buy."),
    ("Siemens is a sell", "We downgrade Siemens to Underperform."),
    ("Buy Siemens", "Siemens (Buy, PT €210) reports next week."),
    ("Siemens is a hold", "We remain Neutral on Siemens."),
    ("Siemens is a buy", "Siemens remains our top Buy."),
]

DISAGREE = [
    ("Export quotas failed", "Export quotas have not failed."),
    ("Capex will fall", "We expect capex to rise."),
    ("Capex will fall", "We do not expect capex to fall."),
    ("Capex will fall", "We don’t think capex will fall."),
    ("Capex will fall", "We doubt that capex will decline."),
    ("Capex will fall", "Capex will not fall next year."),
    ("Capex will not fall", "Capex will fall."),
    ("Capex will fall 10%", "We see capex rising 5%."),
    ("Tesco will raise prices", "Tesco will cut prices."),
    ("Rio Tinto is cheap", "Rio Tinto looks expensive."),
    ("Rio Tinto is cheap", "Rio Tinto is not cheap."),
    ("Bullish on copper", "We remain cautious on copper."),
    ("Overweight Japan", "We stay underweight Japan."),
    ("Our warehouse cost £90m", "Our warehouse did not cost £90m."),
    ("Ocado's warehouse cost £90m", "Ocado's warehouse cost £140m, not £90m."),
    ("Carnival fell 7%", "Carnival rose 7%."),
    # explicit denial
    ("Capex will fall", "The idea that capex will fall is simply wrong."),
    ("Capex will fall", "Fears that capex will fall are overdone."),
    ("Capex will fall", "The view that capex will fall is not right."),
    ("Capex will fall", "It is not true that capex will fall."),
    ("Capex will fall", "We disagree with the view that capex will decline."),
    ("Capex will fall", "We don’t believe that capex will fall."),
    ("Capex will fall", "Contrary to the view that capex will fall, orders are strong."),
    ("Capex will fall", "Will capex fall? Of course not."),
    ("Capex cuts", "Talk of capex cuts is exaggerated."),
    ("China copied Airbus for $80M", "It seems plainly false that “China copied Airbus for $80M” and we move on."),
    ("Ocado's warehouse cost £90m", "Ocado has better sites. The £90m figure is misleading."),
    ("Ocado's warehouse cost £90m", "Ocado is hit by a misunderstanding about the £90m number, and it shows."),
    ("The yield curve predicts recessions", "The notion that the yield curve predicts recessions is a myth."),
    ("Margins will not recover", "It is wrong to say that margins will not recover."),
    # ratings
    ("Siemens is a buy", "We downgrade Siemens to Sell."),
    ("Siemens is a sell", "We maintain our Outperform rating on Siemens."),
]

OTHER = [
    ("Our price target for Pfizer is $34", "Our price target for Pfizer is $27."),
    ("Ocado's warehouse cost £90m", "Ocado's warehouse cost £140m."),
    ("The deficit is 6% of GDP", "The deficit is 9% of GDP."),
    ("Siemens is a buy", "We cut Siemens to Neutral."),
    ("Boeing will deliver 348 aircraft", "We expect Boeing to deliver 430 aircraft."),
]

BLANK = [
    # hedges, questions, conditions
    ("Capex will fall", "Capex may fall."),
    ("Capex will fall", "Capex could rise."),
    ("Capex will fall", "If rates stay here, capex will fall."),
    ("Capex will fall", "Will capex fall?"),
    ("Capex will fall", "Capex will probably fall."),
    ("Capex will fall", "We would not expect capex to fall."),
    ("Capex will fall", "Unless demand recovers, capex will fall."),
    ("Capex will fall", "In a recession, capex will fall."),
    ("Capex will fall", "Capex will fall, but not soon."),
    ("Capex will fall", "It is partly true that capex will fall."),
    ("Capex may fall", "Capex may fall."),
    ("Will capex fall?", "Capex will fall."),
    ("Siemens is a buy", "If it falls to €150, we upgrade Siemens to Buy."),
    # somebody else's words
    ("Capex will fall", "Bears say that capex will fall."),
    ("Capex will fall", "The consensus is wrong-footed again. Capex will fall, the bears argue."),
    ("Capex will fall", "Critics make three points. First, capex will fall."),
    ("Capex will fall", "“Capex will fall” is how the market reads it."),
    ("Capex will fall", "Bears say that the view that capex will rise is wrong."),
    ("Capex will fall", "According to its chief executive, capex will fall."),
    ("Siemens is a buy", "Consensus has it that Siemens is a buy."),
    ("Siemens is a buy", "Brokers rate Siemens Buy."),
    ("Ocado's warehouse cost £90m", "Ocado said that its warehouse cost £90m."),
    ("Ocado's warehouse cost £90m", "Ocado's warehouse reportedly cost £90m."),
    # another subject, another scope
    ("Capex will fall", "Maintenance capex will fall."),
    ("Capex will fall", "Capex growth will fall."),
    ("Capex will fall", "Capex will fall in Chile."),
    ("Capex will fall", "Depreciation will rise and capex will be flat."),
    ("Capex will fall", "Capex will fall short of guidance."),
    ("Capex will fall", "Capex will fall less than feared."),
    ("Tesco will raise prices", "Sainsbury will raise prices."),
    ("Tesco will raise prices", "Tesco will raise wages."),
    ("AMD is cheaper than Intel", "Intel is cheaper than AMD."),
    ("Rio Tinto is cheap", "Rio Tinto looks cheap against BHP."),
    ("Rio Tinto is cheap", "Rio Tinto is cheaper."),
    ("Siemens is a buy", "We reiterate our Buy rating on Siemens Energy."),
    ("Siemens is a buy", "Supermarkets sell what Siemens makes, and we buy it."),
    ("Siemens is a buy", "Siemens will buy a software firm."),
    ("Siemens is a buy", "We reiterate our Buy rating on a supplier of Siemens."),
    ("Nike is a buy", "Markets buy the rumour and sell the fact."),
    ("Copper is in deficit", "Copper is copper."),
    # another time
    ("Capex will fall", "Capex fell."),
    ("Capex will fall", "Capex is falling."),
    ("Carnival fell", "Carnival rose on Thursday."),
    ("Capex will fall in 2026", "Capex will fall in 2027."),
    ("Capex will fall in 2026", "Capex will fall."),
    ("Siemens is a buy", "We rated Siemens Buy until March."),
    # figures that are none of the claim's
    ("Ocado's warehouse cost £90m", "Kroger's warehouse cost £90m."),
    ("Ocado's warehouse cost £90m", "Ocado's warehouse cost less than £100m."),
    ("Ocado's warehouse cost £90m", "Ocado's warehouse cost £85m to £95m."),
    ("Ocado's warehouse cost £90m", "Ocado's warehouse cost £91m."),
    ("Ocado's warehouse cost £90m", "Unlike Ocado, Kroger built a warehouse at a cost of £90m."),
    ("Ocado's warehouse cost £90m", "Ocado's warehouse cost €90m."),
    ("Ocado's warehouse cost £90m", "Ocado earned £90m."),
    ("Ocado's warehouse cost £90m", "Ocado's warehouse cost £90m less."),
    ("Ocado's warehouse cost £90m", "Ocado's warehouse cost ten times £90m."),
    ("Ocado's warehouse cost £90m", "Ocado's warehouse cost nowhere near £90m."),
    ("Pfizer's revenue was $5bn", "Pfizer's revenue was $5bn short of target."),
    ("Pfizer's revenue was $5bn", "Pfizer's revenue was $4bn in 2019."),
    ("Pfizer's margin is 20%", "Pfizer's gross margin is 45%."),
    ("Pfizer's margin is 20%", "Pfizer's margin is up 20%."),
    ("The Fed will cut rates in March", "We expect the Fed to cut rates in June."),
    ("Ocado's warehouse cost £90m", "Ocado's warehouse cost £4 per parcel."),
    ("Ocado's warehouse cost £90m", "The £90m is what Ocado's warehouse did not cost."),
    ("Ocado's warehouse cost £90m", "It is false that Kroger lost £90m."),
    ("Ocado's warehouse cost £90m", "Kroger has a site. The £90m figure is misleading."),
    ("Capex will fall 10%", "Capex will fall."),
    ("Capex will rise 10%", "Margins rise by 10% where capex is low."),
    ("The deficit is 6% of GDP", "The deficit rose by 6% and GDP by 2%."),
    ("Our price target for Pfizer is $34", "Our price target for Pfizer moves to $27 from $34."),
    # denials of something else, or with a reserve
    ("Capex will fall", "The idea that capex will rise is wrong."),
    ("Capex will fall", "The view that capex will fall is not entirely wrong."),
    ("Capex will fall", "The view that capex will fall is wrong, unless rates rise."),
    ("Capex will fall", "It is wrong that capex will fall because of tariffs in Mexico."),
    ("Capex will fall", "Capex will fall. That view is wrong."),
    ("Capex will fall", "We agree that margins will fall."),
    ("Capex will fall", "The analyst who wrote that capex will fall is right about Chile and wrong about Peru."),
    ("Capex will fall", "The claim that Nestle misled investors is false."),
    ("Export quotas failed", "It is misleading to compare export quotas with tariffs."),
    ("The yield curve predicts recessions", "We question whether the yield curve predicts recessions."),
    ("OpenAI copied China", "The claim that China copied OpenAI is false."),
    ("Capex will fall", "Will capex fall? No one knows."),
    ("Capex will fall", "Will capex fall? Yes and no."),
    ("Capex will fall", "Will capex fall? Yes, if rates rise."),
    ("Capex will fall", "Will capex fall? Wrong question."),
    ("Capex will fall", "It is misleading to say that capex will fall: it will collapse."),
    ("Capex will fall", "We are asked about three things. Capex will fall."),
    ("Capex will fall", "The view that capex will fall is right for the wrong reasons."),
    ("It is wrong that Ocado spent £90m", "Ocado is hit by a misunderstanding about the £90m number."),
    # both at once
    ("Capex will fall", "We expect capex to fall. We expect capex to rise."),
    ("Siemens is a buy", "We rate Siemens Buy. We downgrade Siemens to Sell."),
    ("Capex will fall", "It is not untrue that capex will not fall."),
    ("Capex", "Capex."),
    ("", "Capex will fall."),
]

CASES = [
    *((claim, quote, "agree") for claim, quote in AGREE),
    *((claim, quote, "disagree") for claim, quote in DISAGREE),
    *((claim, quote, "other") for claim, quote in OTHER),
    *((claim, quote, "") for claim, quote in BLANK),
]


@pytest.mark.parametrize(("claim", "quote", "verdict"), CASES)
def test_a_rule_tells_or_is_silent(claim: str, quote: str, verdict: str) -> None:
    assert stance(claim, quote).verdict == verdict


@pytest.mark.parametrize(("claim", "quote", "verdict"), CASES)
def test_a_verdict_has_a_reason_and_a_blank_none(claim: str, quote: str, verdict: str) -> None:
    assert bool(stance(claim, quote).reason) == bool(verdict)


@pytest.mark.parametrize(
    ("claim", "quote", "reason"),
    [
        ("Capex will fall", "The idea that capex will fall is simply wrong.", "says “simply wrong”"),
        ("Capex will fall", "We expect capex to rise.", "says “rise”, the claim “fall”"),
        ("Our price target for Pfizer is $34", "Our price target for Pfizer is $27.", "states $27"),
        ("Siemens is a buy", "We downgrade Siemens to Sell.", "rates it “Sell”"),
    ],
)
def test_the_reason_says_what_decided(claim: str, quote: str, reason: str) -> None:
    assert stance(claim, quote).reason == reason


@pytest.mark.parametrize(
    "quote", ["Acme says capex will fall.", "“Capex will fall,” Acme says.", "The Acme team says capex will fall."]
)
def test_what_a_house_is_reported_to_say_is_its_own_view_and_nobody_else_s(quote: str) -> None:
    verdicts = [stance("Capex will fall", quote, speakers=speakers).verdict for speakers in (("Acme",), ("Zeta",))]
    assert verdicts == ["agree", ""]


@given(st.text(), st.text())
def test_any_two_texts_can_be_compared(claim: str, quote: str) -> None:
    assert stance(claim, quote).verdict in ("agree", "disagree", "other", "")


@pytest.mark.parametrize(
    "quote",
    [
        "the claim that " * 70_000,
        "the view of " * 80_000 + "is wrong",
        "it is " * 160_000,
        "we agree with " * 70_000,
        '"' * 1_000_000,
        "capex will fall, and " * 50_000,
        "$5M not $5M but " * 60_000,
        "a" * 1_000_000,
        "(" * 500_000 + ")" * 500_000,
        "Siemens (Buy " * 70_000,
    ],
)
def test_a_megabyte_of_anything_is_judged_at_once(quote: str) -> None:
    began = time.monotonic()
    stance("Capex will fall to $5M", quote)
    stance("Siemens is a buy", ". ".join(quote[i : i + 590] for i in range(0, 20_000, 590)))
    assert time.monotonic() - began < 30


@pytest.mark.parametrize(
    ("claim", "quote"),
    [
        ("DeepSeek was trained for $5M", "DeepSeek was trained for $5M. Really?"),
        ("DeepSeek was trained for $5M", "DeepSeek was trained for $5M. We are not convinced."),
        ("DeepSeek was trained for $5M", "DeepSeek was trained for $5M. This is what the press writes."),
        ("DeepSeek was trained for $5M", "Was DeepSeek trained for $5M? Of course, nobody believes that."),
        ("Acme margins will fall", "Acme margins will fall in Q1, and Acme margins will rise in Q2."),
        ("Acme is a buy", "In 2019, we cut Acme to Sell."),
        ("Acme is a buy", "We previously rated Acme Sell."),
    ],
)
def test_what_is_taken_back_split_or_long_ago_is_no_verdict(claim: str, quote: str) -> None:
    assert stance(claim, quote).verdict == ""
