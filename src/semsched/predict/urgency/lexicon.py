"""Phrases that mean something by themselves, and what takes their meaning away.

The phrases are data (`lexicon.toml`). They are compared by stems, with small words passed over,
so that "his lips are turning blue" holds "lips turning blue".
"""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

from semsched.predict.urgency.words import read_words, stems_of

SMALL = frozenset(
    "a an the is are be been being am i im my his her hi their our your its it he she they we "
    "you this that these really very so just even quite still now to some any of and".split()
)
"""Stems that are passed over inside a phrase."""

SENTENCE_ENDS = frozenset(".;!?\n") | stems_of(
    "but however except although though then now today tonight sudden suddenly currently"
)
"""What ends a sentence, or turns it to the present."""

TURNS = stems_of(
    "he she they it i we is are was has have having presents presenting with reports reporting "
    "complains complaining c new acute just started"
)
"""Where something else begins within a sentence: "hx of asthma with severe dyspnea"."""


class Entry(NamedTuple):
    """A phrase of the lexicon: what it is (`group`, `gate` or `scope`), and whose it is."""

    kind: str
    name: str
    phrase: str
    urgency: int = -1
    reach: int = 0
    commas: str = "pass"
    around: bool = False


class Match(NamedTuple):
    """Where an entry was found: words [begin, end)."""

    entry: Entry
    begin: int
    end: int


class Start(NamedTuple):
    """The entries that begin with one stem: by itself, and longer ones by their second stem, the
    longest first."""

    alone: list[Entry]
    longer: dict[str, list[tuple[list[str], Entry]]]


def find(stems: Sequence[str]) -> list[Match]:
    """Every phrase in `stems`, in order; of those of one kind from one word the longest."""
    at = [i for i, stem in enumerate(stems) if stem not in SMALL]
    large = [*(stems[i] for i in at), ""]
    found: list[Match] = []
    for i, start in enumerate(map(lexicon().get, large)):
        if start is not None and (start.alone or large[i + 1] in start.longer):
            for length, entry in _longest(start, large, i):
                found.append(Match(entry, at[i], at[i + length - 1] + 1))
    return found


def _longest(start: Start, large: Sequence[str], i: int) -> list[tuple[int, Entry]]:
    """Of the entries that begin with word `i`, and how many words they have."""
    found: dict[str, tuple[int, Entry]] = {}
    for phrase, entry in start.longer.get(large[i + 1], ()):
        if large[i : i + len(phrase)] == phrase:
            found.setdefault(entry.kind, (len(phrase), entry))
    for entry in start.alone:
        found.setdefault(entry.kind, (1, entry))
    return list(found.values())


@cache
def lexicon() -> Mapping[str, Start]:
    """The lexicon that comes along, by the first stem of each phrase."""
    text = files(__package__).joinpath("lexicon.toml").read_text("utf-8")
    starts: dict[str, Start] = {}
    for phrase, entry in _entries(tomllib.loads(text)):
        start = starts.setdefault(phrase[0], Start([], {}))
        if len(phrase) == 1:
            start.alone.append(entry)
        else:
            start.longer.setdefault(phrase[1], []).append((phrase, entry))
    for start in starts.values():
        for found in start.longer.values():
            found.sort(key=lambda item: -len(item[0]))
    return starts


def _entries(tables: Mapping[str, Any]) -> Iterator[tuple[list[str], Entry]]:
    for kind, sections in tables.items():
        for section in sections:
            phrases = section.pop("phrases")
            name = section.pop("name", None) or section.pop("kind")
            for phrase in phrases:
                stems = [stem for stem in read_words(phrase).stems if stem not in SMALL]
                yield stems, Entry(kind, name, " ".join(stems), **section)


NEGATED, PAST, QUOTED = 1, 2, 4
FLAGS = {"negated": NEGATED, "past": PAST}

QUOTES = {'"': '"', "\u201c": "\u201d", "\u201e": "\u201c", "\u00ab": "\u00bb", "`": "`", "'": "'"}

BEFORE_YEARS = frozenset("in during summer winter year of".split())
"""What makes 1978 a year and not a time of day."""

MOSTLY = 0.8
"""Share of a text from which on quotation marks around it say nothing about it."""


def scopes(stems: Sequence[str], matches: Sequence[Match]) -> list[int]:
    """For each word, whether it is NEGATED, PAST, QUOTED, several of these, or (0) so now.

    A cue that is itself part of a phrase, as "not" of "not breathing", opens no scope.
    """
    flags = [0] * len(stems)
    inside = {i for m in matches if m.entry.kind == "group" for i in range(m.begin, m.end)}
    for match in matches:
        if match.entry.kind == "scope" and match.begin not in inside:
            for i in _scope(stems, match):
                flags[i] |= FLAGS[match.entry.name]
    for at, stem in enumerate(stems):
        if at and len(stem) == 4 and stem.startswith("19") and stems[at - 1] in BEFORE_YEARS:
            for i in range(_sentence_begin(stems, at), _sentence_end(stems, at)):
                flags[i] |= PAST
    for begin, end in _quotations(stems):
        for i in range(begin, end):
            flags[i] |= QUOTED
    return flags


def _quotations(stems: Sequence[str]) -> list[tuple[int, int]]:
    """What stands in quotation marks; nothing if that is nearly all."""
    if QUOTES.keys().isdisjoint(stems):
        return []
    found, opened, closing = [], 0, ""
    for at, stem in enumerate(stems):
        if closing and stem == closing:
            found.append((opened, at))
            closing = ""
        elif not closing and stem in QUOTES:
            opened, closing = at + 1, QUOTES[stem]
    quoted = sum(end - begin for begin, end in found)
    return found if quoted < MOSTLY * len(stems) else []


STOPS = SENTENCE_ENDS | TURNS


def _scope(stems: Sequence[str], match: Match) -> range:
    entry = match.entry
    if entry.around:
        return range(_sentence_begin(stems, match.begin), _sentence_end(stems, match.end))
    last = min(match.end + entry.reach, len(stems))
    end = next((i for i in range(match.end, last) if stems[i] in STOPS), last)
    if entry.commas == "stop" or (entry.commas == "list" and "or" not in stems[match.end : end]):
        end = next((i for i in range(match.end, end) if stems[i] == ","), end)
    return range(match.end, end)


FARTHEST = 40
"""Words that a sentence is taken to have at most on either side of a cue."""


def _sentence_begin(stems: Sequence[str], at: int) -> int:
    last = max(at - FARTHEST, 0)
    return next((i + 1 for i in range(at - 1, last - 1, -1) if stems[i] in SENTENCE_ENDS), last)


def _sentence_end(stems: Sequence[str], at: int) -> int:
    last = min(at + FARTHEST, len(stems))
    return next((i for i in range(at, last) if stems[i] in SENTENCE_ENDS), last)
