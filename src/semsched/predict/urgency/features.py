"""What a text says about urgency, as named features with a weight of evidence each.

Words and word pairs, with the mark of a scope ("-" negated, "~" past) before them; phrases of the
lexicon; points of vital signs; the kind of work a text asks for. Words that only claim urgency
are left out, so that claiming it can change nothing.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from zlib import crc32

from semsched.predict.urgency.lexicon import Match, find, scopes
from semsched.predict.urgency.points import ADULT, points
from semsched.predict.urgency.vitals import Vitals, read_vitals
from semsched.predict.urgency.words import Memo, Words, read_words, stems_of

CLAIMS = stems_of(
    "urgent urgently urgency asap emergency emergencies emergent critical critically priority "
    "priorities immediate immediately important hurry stat rush sev severity"
)
"""What claims urgency without saying why."""

DENIALS = stems_of("not isn't non no nothing low least less")
"""Before a claim they make it none: "not urgent" is worth reading."""

NUM_PIECES = 4096
"""Buckets for the pieces of words that the model does not know."""

MARKS = ("", "-", "~", "-", "'", "'", "'", "'")
SCOPES = ("", "|negated", "|past", "|negated", "|quoted", "|quoted", "|quoted", "|quoted")
"""By the flags of a word."""

TASK, AT_START = "|task", "|start"
"""Mark a phrase in a text that names a task, and a task that is named at the beginning."""

MOST_URGENT, NUM_TASKS, SIZE = "most urgent phrase {}", "{} kinds of task", "size {}"
NO_PHRASE = "none"
PERSONAL = "one's own people"
"""Facts about a text as a whole."""

MAX_TASKS, MAX_SIZE = 3, 8

START = 4
"""Words at the beginning of a text among which a task is usually named."""

_STEPS = (0, 1, 2, 3, 4, 5, 6, 8, 10, 12)
_PAINS = (0, 4, 7, 9)
_AGES = (0, 0.25, 3, 16, 40, 65, 80)
_NEWBORN, _FEVER = 0.25, 38.0

_SHOCKS = (0, 0.7, 0.9, 1.2, 1.6)
"""Heart rate over systolic pressure; above 0.9 shock is near (Allgoewer and Burri, 1967)."""


Place = tuple[int, int]
"""The words a feature stands on, [begin, end); (0, 0): on all of them."""

WHOLE = (0, 0)


@dataclass(frozen=True, slots=True)
class Reading:
    """A text as the model sees it: features by name, and where each is found first.

    `grams` (words and pairs) share a weight among them, `facts` count in full.
    """

    words: Words
    vitals: Vitals
    grams: dict[str, Place]
    facts: dict[str, Place]

    @property
    def has_vitals(self) -> bool:
        """Whether the text states more than one vital sign."""
        return has_several(self.vitals)


def read(text: str) -> Reading:
    """The features of `text`, whatever it holds; time is bounded by the caps on words."""
    words = _without_claims(read_words(text))
    stems = words.stems
    matches = find(stems)
    flags = scopes(stems, matches)
    vitals = read_vitals(stems)
    facts, most_urgent = _phrases(matches, flags, _is_personal(stems))
    facts.update((name, WHOLE) for name in signs(vitals, most_urgent))
    names = _GRAMS.of(stems)
    facts[SIZE.format(min((len(names) - names.count("")).bit_length(), MAX_SIZE))] = WHOLE
    if stems[-1:] == ["?"]:  # within, "?sepsis" is how clinicians write a suspicion
        names[-1] = "?"
    return Reading(words, vitals, _grams(names, flags), facts)


def _without_claims(words: Words) -> Words:
    """The words less claims and the marks around them, of which the first stays a boundary."""
    left_out: set[int] = set()
    if CLAIMING.isdisjoint(words.stems):
        return words
    for begin, end in _claims(words.stems):
        first, last = begin, end
        while first and is_mark(words.stems[first - 1]):
            first -= 1
        while last < len(words.stems) and is_mark(words.stems[last]):
            last += 1
        keeps_boundary = 0 < first < begin
        left_out.update(range(first + keeps_boundary, last))
    if not left_out:
        return words
    return words.only([at for at in range(len(words.stems)) if at not in left_out])


def is_mark(stem: str) -> bool:
    return not stem[0].isalnum()


def _claims(stems: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Where claims stand, [begin, end), with their words of degree and the level they name.

    "urgent", "top priority", "priority level: 0", "urgency=0", "P1".
    """
    for at, stem in enumerate(stems):
        if stem not in CLAIMING:
            continue
        if stem in CLAIMS and not (at and stems[at - 1] in DENIALS):
            begin = at - 1 if at and stems[at - 1] in DEGREES else at
            yield begin, _level_after(stems, at + 1) if stem in LEVELLED else at + 1
        elif (stem, stems[at + 1 : at + 2]) in _LETTERED or stems[at : at + 3] == _RIGHT_NOW:
            yield at, at + 2
        elif at == 0 and stem in NUMBERS and stems[1:2] == [":"]:
            yield 0, 1


def _level_after(stems: Sequence[str], at: int) -> int:
    """The end of a claim whose word ends at `at`: behind the level, if one follows."""
    for place in range(at, min(at + 4, len(stems))):
        if stems[place] in LEVEL_WORDS:
            continue
        return place + 1 if stems[place] in LEVELS else at
    return at


DEGREES = stems_of("top highest high higher max maximum very extremely most super absolute")
LEVELS = frozenset("01234")
_LETTERED = tuple(("p", [level]) for level in LEVELS)
_RIGHT_NOW = ["right", "now", ":"]
NUMBERS = frozenset("911 999 112 sos mayday".split())
CLAIMING = CLAIMS | NUMBERS | {"p", "right"}
"""What any claim begins with."""

LEVELLED = stems_of("priority urgency severity sev")
LEVEL_WORDS = stems_of("level class number is : = - # incident ticket request")


def gram(stem: str) -> str:
    """What a stem is called among the grams; "" for a mark, which parts the words beside it."""
    return "#" if stem[0].isdigit() else stem if stem[0].isalnum() else ""


_GRAMS = Memo(gram)


def _grams(names: Sequence[str], flags: Sequence[int]) -> dict[str, Place]:
    """Words and pairs of neighbours, from the words' names."""
    grams: dict[str, Place] = {}
    last, last_at = "^", 0
    for at, word in enumerate(names):
        if not word:
            last = ""
            continue
        if flags[at]:
            word = MARKS[flags[at]] + word
        grams.setdefault(word, (at, at + 1))
        if last:
            grams.setdefault(f"{last} {word}", (last_at, at + 1))
        last, last_at = word, at
    return grams


KIN = stems_of(
    "son daughter baby child kid husband wife partner boyfriend girlfriend mother mom mum father "
    "dad brother sister friend neighbor neighbour grandma grandpa grandmother grandfather "
    "colleague roommate toddler infant boy girl chest arm leg head hand throat"
)
"""Of whom, or of what, somebody who needs help speaks with "my"."""


def _is_personal(stems: Sequence[str]) -> bool:
    """Whether the text speaks of somebody's own people or body: "my son"."""
    return any(second in KIN for first, second in pairwise(stems) if first == "my")


def _phrases(
    matches: Sequence[Match], flags: Sequence[int], personal: bool
) -> tuple[dict[str, Place], str]:
    """Groups of the lexicon, what takes their weight away, and the most urgent class left.

    A task takes none from what is said of one's own people: "explain the Heimlich manoeuvre, my
    son is choking".
    """
    gates = {m.entry.name for m in matches if m.entry.kind == "gate" and not flags[m.begin]}
    facts: dict[str, Place] = {}
    most_urgent = NO_PHRASE
    for entry, begin, end in matches:
        if entry.kind == "group":
            so = SCOPES[flags[begin]] or (TASK if gates and not personal else "")
            facts.setdefault(entry.name + so, (begin, end))
            if not so:
                facts.setdefault(f"={entry.phrase}", (begin, end))
                most_urgent = min(most_urgent, str(entry.urgency))
        elif entry.kind == "gate" and not flags[begin]:
            facts.setdefault(entry.name + (AT_START if begin < START else ""), (begin, end))
    facts[MOST_URGENT.format(most_urgent)] = WHOLE
    facts[NUM_TASKS.format(min(len(gates), MAX_TASKS))] = WHOLE
    if personal:
        facts[PERSONAL] = WHOLE
    return facts, most_urgent


def signs(vitals: Vitals, most_urgent: str) -> Iterator[str]:
    """Points of each vital sign and of all of them; shock index, pain and age in steps."""
    scored = points(vitals)
    yield from (f"{field} {score}" for field, score in scored.items())
    if scored:
        worst, total = max(scored.values()), sum(scored.values())
        yield f"vitals {_STEPS[bisect_right(_STEPS, total) - 1]}"
        yield f"worst vital {worst}"
        yield f"{min(len(scored), 4)} vitals, worst {worst}"
        yield f"{MOST_URGENT.format(most_urgent)}, vitals {_condition(total, worst)}"
    if vitals.heart_rate and vitals.systolic and (vitals.age is None or vitals.age >= ADULT):
        index = vitals.heart_rate / vitals.systolic
        yield f"shock index {_SHOCKS[bisect_right(_SHOCKS, index) - 1]} or more"
    if vitals.pain is not None:
        yield f"pain {_PAINS[bisect_right(_PAINS, vitals.pain) - 1]} or more"
    if vitals.age is not None:
        yield f"age {_AGES[bisect_right(_AGES, vitals.age) - 1]} or more"
        if vitals.age < _NEWBORN and (vitals.temperature or 0) >= _FEVER:
            yield "fever of a newborn"


def has_several(vitals: Vitals) -> bool:
    """Whether more than one vital sign is stated."""
    return len(points(vitals)) > 1


def _condition(total: int, worst: int) -> str:
    """All vital signs in a word, from the bands in which an early-warning score asks for action."""
    if worst > 3 or total >= 9:
        return "extreme"
    if worst > 2 or total >= 5:
        return "off"
    return "slightly off" if total else "normal"


@lru_cache(maxsize=1 << 14)
def pieces(word: str) -> frozenset[int]:
    """Buckets of the 3- and 4-byte pieces of a word that is not known."""
    padded = f"<{word[:20]}>".encode("utf-8", "replace")
    return frozenset(
        crc32(padded[i : i + n]) % NUM_PIECES for n in (3, 4) for i in range(len(padded) - n + 1)
    )
