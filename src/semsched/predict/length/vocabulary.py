"""The words that say something of the length of an answer, as plain data."""

from collections.abc import Mapping

_GROUPS: Mapping[str, str] = {
    "list": "list lists steps step enumerate bullet bullets outline table examples ideas ways "
    "tips reasons suggestions names options questions topics itinerary schedule",
    "long": "detailed detail comprehensive thorough thoroughly depth essay report tutorial guide "
    "article blog chapter course curriculum lesson proposal story script complete full entire "
    "everything elaborate extensive plan strategy documentation whitepaper thesis novel long",
    "short": "brief briefly short shortly concise concisely quick quickly succinct simply only "
    "tldr",
    "make": "write create implement build generate design develop make code program draft "
    "compose produce construct refactor",
    "explain": "explain describe discuss compare contrast analyze analyse why how difference "
    "differences evaluate",
    "code": "python javascript java typescript c cpp rust golang sql php html css react django "
    "flask api function class algorithm bash powershell kotlin swift pytorch tensorflow numpy "
    "pandas app application website database server regex scala haskell unity script game",
    "maths": "prove proof solve calculate compute equation integral theorem derivative "
    "probability matrix lemma evaluate determine",
    "which": "which who when where whose is are does did was can true false what",
    "translate": "translate translation rewrite rephrase paraphrase proofread grammar correct "
    "reword convert edit improve",
    "summarise": "summarize summarise summary tldr gist condense shorten abstract",
    "label": "classify extract label title categorize categorise sentiment category identify "
    "detect tag json name",
    "small_code": "function regex expression query formula line oneliner snippet command method "
    "select selector loop variable",
    "big_code": "app application website server plugin extension gui module project boilerplate "
    "system dashboard bot network training pipeline simulation database client framework",
    "fix": "fix error errors bug issue wrong debug fails failing correct find mistake",
    "study": "review research specification analysis methodology framework requirements academic "
    "professional policy business marketing literature steps process architecture",
    "fiction": "story poem song lyrics novel scene dialogue fanfic character characters plot",
}
"""Words that count, once each, if they stand in the request itself."""

GROUPS = {name: frozenset(words.split()) for name, words in _GROUPS.items()}

MAKING = GROUPS["make"] | GROUPS["summarise"]
"""Words of a prompt that wants a text made, whose length it may then state."""

COUNTING = frozenset(["top", "best", "give", "list", "generate"])
COUNTED = COUNTING | GROUPS["list"]
"""What stands before or behind the number of things that are asked for."""

PHRASES: Mapping[str, tuple[str, ...]] = {
    "one_word": (
        "yes or no", "true or false", "one word", "single word", "only the answer", "answer only",
        "just the answer", "only answer", "only respond", "respond only", "respond with only",
        "output only", "only output", "single letter", "one line", "only return", "only write",
    ),
    "stepwise": ("step by step", "in detail", "as much as possible", "in depth", "as many as"),
    "how_to": (
        "how to", "how do i", "how can i", "how do you", "how should i", "how would",
    ),
    "how_many": ("how much", "how many", "how long", "how old", "what time", "how far"),
}  # fmt: skip
"""Words in a row that count, once for all of a kind."""

NUMBERS = {
    "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8,
    "nine": 9, "ten": 10, "twelve": 12, "fifteen": 15, "twenty": 20, "fifty": 50, "hundred": 100,
    "a": 1, "single": 1,
}  # fmt: skip

UNIT_TOKENS: Mapping[str, float] = {
    "word": 1.4, "words": 1.4, "sentence": 28, "sentences": 28, "paragraph": 110,
    "paragraphs": 110, "page": 600, "pages": 600, "tokens": 1, "\u5b57": 1, "palabras": 1.6,
    "palavras": 1.6, "mots": 1.6, "worte": 2, "w\u00f6rter": 2, "parole": 1.8,
    "\u0441\u043b\u043e\u0432": 2.2,
}  # fmt: skip
"""Output tokens of one unit that an answer's length can be asked in."""

REWORD = frozenset(["translate", "translation", "paraphrase", "proofread", "rephrase", "reword"])

LEADS = frozenset(
    ["in", "to", "within", "under", "most", "about", "around", "least", "exactly", "a"]
)
"""What stands before the number of a length that is asked for."""

GROUPS_OF: dict[str, list[int]] = {}
"""The groups a word is in, by number."""

PHRASES_OF: dict[str, list[tuple[str, int]]] = {}
"""The phrases whose longest word it is, between blanks, and of which kind they are, by number."""

for _number, _words in enumerate(GROUPS.values()):
    for _word in _words:
        GROUPS_OF.setdefault(_word, []).append(_number)

for _number, _phrases in enumerate(PHRASES.values()):
    for _phrase in _phrases:
        _word = max(_phrase.split(), key=len)
        PHRASES_OF.setdefault(_word, []).append((f" {_phrase} ", _number))

KNOWN = COUNTED.union(GROUPS_OF, PHRASES_OF, UNIT_TOKENS, REWORD)
"""A prompt that has none of these says nothing by its words."""
