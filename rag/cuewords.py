"""The words around a name in a question that tell whether it is asked or talked about.

English, in lower case, each form spelt out. It knows no names.
"""

from __future__ import annotations

AUXILIARIES = frozenset("do does did has have had is are was were would will can could should might".split())
SAYING = frozenset(
    """
    say said saying think thought thinking believe believed argue argued arguing claim claimed note noted state
    stated write written wrote mention mentioned comment commented expect expected expecting explain explained
    forecast forecasting predict predicted predicting suggest suggested warn warned warning recommend recommended
    conclude concluded describe described estimate estimated reckon reckoned assume assumed anticipate anticipated
    highlight highlighted flag flagged question questioned doubt doubted discuss discussed address addressed cite
    cited emphasise emphasize stress stressed caution cautioned point
    """.split()
)
# Of a house these are words of analysts; of anybody else they may be deeds.
JUDGING = frozenset(
    """
    see seen mean count like liked prefer preferred favour favor favoured favored rate rated call called calling
    view viewed value valued model modelled modeled project projected calculate calculated put tell told agree
    disagree differ diverge compare upgrade upgraded downgrade downgraded initiate initiated reiterate reiterated
    cover covered publish published advise advised worry worried interpret interpreted consider considered regard
    regarded attribute respond responded react reacted justify justified feel felt know find found look looking
    dismiss dismissed challenge challenged refute rebut answer weigh frame define identify identified list quantify
    quantified bullish bearish positive negative cautious overweight underweight neutral optimistic pessimistic
    constructive sceptical skeptical concerned worried confident upbeat sanguine convinced wrong right sure
    """.split()
)
# Words of analysts only beside one of their nouns: a bank also cuts jobs, raises capital and has branches.
DOING = frozenset(
    """
    have had give given gave set cut raise raised lower lowered lift lifted trim trimmed keep kept make made change
    changed use used assign assigned issue issued maintain maintained offer offered revise revised move moved place
    attach arrive get come report reported base apply derive hold
    """.split()
)
FINITE = frozenset(
    """
    says said thinks thought believes believed argues argued claims claimed notes noted states stated writes wrote
    mentions mentioned expects expected explains explained forecasts predicts predicted suggests suggested warns
    warned recommends recommended concludes concluded describes estimates estimated reckons reckoned assumes assumed
    sees likes prefers rates rated calls called views values projects calculates calculated puts upgrades upgraded
    downgrades downgraded initiates initiated reiterates reiterated questions questioned doubts doubted highlights
    highlighted
    """.split()
)
OPINIONS = frozenset(
    """
    view views take opinion opinions stance position call calls thesis argument arguments case reasoning logic
    thoughts thinking comment comments commentary target targets tp pt estimate estimates forecast forecasts
    projection projections prediction predictions rating ratings recommendation recommendations expectation
    expectations outlook conclusion conclusions assessment analysis verdict reaction response explanation figure
    figures number numbers maths math calculation calculations assumption assumptions scenario scenarios concern
    concerns point points message advice preference preferences pick picks criticism critique doubts claim claims
    interpretation reading read words quote quotes conviction sum readings remark remarks ideas arithmetic framing
    upgrade downgrade initiation multiple valuation base bull bear model objection objections
    """.split()
)
DOCUMENTS = frozenset(
    "note notes report reports research paper papers article articles piece email emails e-mail mail mails publication"
    " preview review memo comment commentary wrap daily weekly".split()
)
STAFF = frozenset(
    """
    analyst analysts team teams strategist strategists economist economists desk researcher researchers trader
    traders people folks specialist specialists colleagues salesperson management executives ceo cfo coo cio cto
    chairman chairwoman president founder boss chief governor spokesperson spokesman spokeswoman
    """.split()
)
# What a house is talked about for when it is the company and not the one who talks.
BUSINESS = frozenset(
    """
    result results earnings capex revenue revenues sales profit profits profitability income nii nim margin margins
    buyback buybacks dividend dividends share shares stock stocks equity bond bonds debt layoffs job jobs bonus
    bonuses settlement fine fines lawsuit cet1 rote rotce roe capital guidance ipo deposits deposit loan loans
    headcount business businesses division divisions unit units branch branches merger acquisition takeover deal
    deals fees fee costs cost expenses provisions reserves balance exposure assets aum client clients customers
    employees staff restructuring turnaround quarter quarterly q1 q2 q3 q4 h1 h2 index etf fund funds ownership
    stake filing filings
    """.split()
)
# Asked of nobody by name: who they are is the question.
ANYBODY = frozenset(
    "who whom whose anyone anybody someone somebody everyone everybody others nobody analysts banks brokers houses"
    " bears bulls consensus investors economists strategists commentators critics".split()
)
HOUSE_NOUNS = frozenset(
    "bank banks broker brokers house houses analyst analysts firm firms strategist strategists"
    " economist economists team teams brokerage brokerages".split()
)
TOPICAL = frozenset(
    "about on regarding concerning of for against in into to over covering covers cover covered toward towards between"
    " like owns own buying selling".split()
)
SPEAKING = frozenset("from by via at per".split())
JOINS = frozenset([",", "and", "or", "&", "vs", "v", "versus", "/", "nor", "'s", "'", "the", ".", "at", "of"])
ADVERBS = frozenset(
    "also now still ever really actually exactly just currently recently specifically then even already first not n't"
    " never both each all so".split()
)
ARTICLES = frozenset("the a an".split())
SLOT = ADVERBS | ARTICLES | STAFF | DOCUMENTS | frozenset(["and", "or", "&", "at", "of", "from", "'s", "'", ",", "/"])
BEING = frozenset("is are was were".split())
STANCES = frozenset(
    """
    saying thinking arguing expecting forecasting predicting recommending telling calling looking bullish bearish
    positive negative cautious overweight underweight neutral optimistic pessimistic constructive sceptical
    skeptical worried concerned confident upbeat sanguine convinced wrong right sure
    """.split()
)
LOWER_SAYING = frozenset(
    "say said think thought believe believed argue argued claim claimed write wrote mention mentioned comment commented"
    " expect expected forecast predict predicted warn warned saying thinking".split()
)
VERBS = SAYING | JUDGING | DOING | STANCES | FINITE
QUESTION = frozenset("what who whom whose which how why when where whether if".split())
COMPARES = frozenset(
    "compare compares compared comparing comparison versus vs differ differs difference differences disagree disagrees"
    " agree agrees contrast contrasts".split()
)
SOURCES = (
    DOCUMENTS
    | OPINIONS
    | frozenset(
        "anything something nothing everything all much more what which else hear heard news latest quoted".split()
    )
)
# Beside "results" or "loan" these are the company's own.
WEAK = frozenset("call calls figure figures number numbers point base multiple case outlook reaction response".split())
PREAMBLE = frozenset(
    """
    please tell me show give find list summarise summarize quote us can could you what how about and so then any
    anything all everything ok okay hi hello the a latest recent most
    """.split()
)
ROLES = frozenset("ceo cfo coo cio cto chairman chairwoman president founder analyst strategist economist".split())
TITLES = frozenset("mr mrs ms dr prof sir".split())
NO_NAMES = (
    ANYBODY
    | HOUSE_NOUNS
    | DOCUMENTS
    | STAFF
    | AUXILIARIES
    | ARTICLES
    | TOPICAL
    | OPINIONS
    | frozenset(
        """
    i we you he she it they this that these those there here his her its their our my your what which when where why
    how if whether because gaap ifrs us-gaap asc ias fasb plan schedule company companies management street market
    markets wall board traders experts regulators officials media press people shareholders customers users
    competitors journalists authors author speaker one most many some any no each both all other another monday
    tuesday wednesday thursday friday saturday sunday today yesterday and or but not with from at by as per be been
    being so such more less than just only very then now once up down out off said says
    """.split()
    )
)
FIRM = frozenset(
    "securities partners associates holdings brothers advisors advisers investments equities sons capital research"
    " management bank group markets".split()
)
# Verbs that say nothing of the matter.
TELLING = frozenset(
    """
    say said saying says think thought thinking thinks believe believed believes argue argued arguing argues claim
    claimed claims note noted notes state stated states write written wrote writes mention mentioned mentions
    comment commented explain explained explains suggest suggested suggests conclude concluded concludes describe
    described describes discuss discussed tell told telling put puts see sees have had give gave given express
    expressed
    """.split()
)
VIEWS = frozenset("words eyes view views take opinion opinions stance thoughts argument arguments thesis".split())
PRONOUNS = frozenset("who whom whose anyone anybody someone somebody everyone everybody others nobody".split())
