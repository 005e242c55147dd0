"""Reading, compiled: claims, phrases and scopes, as features.py and lexicon.py find them."""

from semsched.predict.urgency.kernel import tables
from semsched.predict.urgency.kernel.compile import compiled
from semsched.predict.urgency.kernel.desk import Desk
from semsched.predict.urgency.kernel.tables import Ints, Tables
from semsched.predict.urgency.lexicon import FARTHEST, MOSTLY, PAST, QUOTED


@compiled
def has(t: Tables, code: int, bits: int) -> bool:
    """Whether a word is one of these kinds."""
    return bool(t.words[code].bits & bits)


# --- claims -----------------------------------------------------------------------------------


@compiled
def without_claims(t: Tables, d: Desk, codes: Ints) -> int:
    """Keep the words that are not claims; how many these are."""
    n = len(codes)
    for at in range(n):
        d.flags[at] = 0
    for at in range(n):
        if has(t, codes[at], tables.IS_CLAIMING):
            begin, end = claim(t, codes, at)
            if begin < end:
                leave_out(t, d, codes, begin, end)
    num_kept = 0
    for at in range(n):
        if not d.flags[at]:
            d.codes[num_kept] = codes[at]
            d.kept[num_kept] = at
            num_kept += 1
    return num_kept


@compiled
def claim(t: Tables, codes: Ints, at: int) -> tuple[int, int]:
    """Where the claim stands that word `at` makes, [begin, end); (0, 0): it makes none."""
    code = codes[at]
    denied = at > 0 and has(t, codes[at - 1], tables.IS_DENIAL)
    if has(t, code, tables.IS_CLAIM) and not denied:
        begin = at - 1 if at > 0 and has(t, codes[at - 1], tables.IS_DEGREE) else at
        levelled = has(t, code, tables.IS_LEVELLED)
        return begin, level_after(t, codes, at + 1) if levelled else at + 1
    if has(t, code, tables.IS_P) and follows(t, codes, at + 1, tables.IS_LEVEL):
        return at, at + 2
    right_now = has(t, code, tables.IS_RIGHT) and follows(t, codes, at + 1, tables.IS_NOW)
    if right_now and follows(t, codes, at + 2, tables.IS_COLON):
        return at, at + 2
    number = at == 0 and has(t, code, tables.IS_EMERGENCY_NUMBER)
    if number and follows(t, codes, 1, tables.IS_COLON):
        return 0, 1
    return 0, 0


@compiled
def follows(t: Tables, codes: Ints, at: int, bits: int) -> bool:
    return at < len(codes) and has(t, codes[at], bits)


@compiled
def level_after(t: Tables, codes: Ints, at: int) -> int:
    for place in range(at, min(at + 4, len(codes))):
        if not has(t, codes[place], tables.IS_LEVEL_WORD):
            return place + 1 if has(t, codes[place], tables.IS_LEVEL) else at
    return at


@compiled
def leave_out(t: Tables, d: Desk, codes: Ints, begin: int, end: int) -> None:
    """Mark a claim and the marks around it, of which the first stays a boundary."""
    first, last = begin, end
    while first > 0 and has(t, codes[first - 1], tables.IS_MARK):
        first -= 1
    while last < len(codes) and has(t, codes[last], tables.IS_MARK):
        last += 1
    keeps_boundary = 0 < first < begin
    for at in range(first + keeps_boundary, last):
        d.flags[at] = 1


# --- phrases ----------------------------------------------------------------------------------


@compiled
def find(t: Tables, d: Desk, n: int) -> int:
    """Every phrase in the words kept, in order; how many. Of one kind from one word the longest."""
    num_large = num_found = 0
    for at in range(n):
        if not has(t, d.codes[at], tables.IS_SMALL):
            d.large[num_large] = at
            num_large += 1
    for i in range(num_large):
        word = t.words[d.codes[d.large[i]]]
        kinds = 0
        for number in range(word.first_phrase, word.last_phrase):
            phrase = t.phrases[number]
            if not kinds & (1 << phrase.kind) and stands(t, d, number, i, num_large):
                kinds |= 1 << phrase.kind
                d.found[num_found, 0] = number
                d.found[num_found, 1] = d.large[i]
                d.found[num_found, 2] = d.large[i + phrase.length - 1] + 1
                num_found += 1
    return num_found


@compiled
def stands(t: Tables, d: Desk, number: int, i: int, num_large: int) -> bool:
    """Whether a phrase stands at the i-th large word."""
    phrase = t.phrases[number]
    if i + phrase.length > num_large:
        return False
    for k in range(1, phrase.length):
        if d.codes[d.large[i + k]] != t.phrase_words[phrase.first_word + k]:
            return False
    return True


# --- scopes -----------------------------------------------------------------------------------


@compiled
def mark_scopes(t: Tables, d: Desk, n: int, num_found: int) -> None:
    """Flag the words that are negated, past or quoted. A cue inside a phrase opens no scope."""
    for at in range(n):
        d.flags[at] = 0
    for i in range(num_found):
        phrase = t.phrases[d.found[i, 0]]
        if phrase.kind == tables.SCOPE and not is_inside(t, d, d.found[i, 1], num_found):
            mark_scope(t, d, n, i)
    for at in range(1, n):
        before = has(t, d.codes[at - 1], tables.IS_BEFORE_YEARS)
        if before and has(t, d.codes[at], tables.IS_YEAR):
            mark(d, sentence_begin(t, d, at), sentence_end(t, d, at, n), PAST)
    if num_quoted(t, d, n, 0) < MOSTLY * n:
        num_quoted(t, d, n, QUOTED)


@compiled
def is_inside(t: Tables, d: Desk, at: int, num_found: int) -> bool:
    for i in range(num_found):
        if d.found[i, 1] > at:
            return False
        if at < d.found[i, 2] and t.phrases[d.found[i, 0]].kind == tables.GROUP:
            return True
    return False


@compiled
def mark_scope(t: Tables, d: Desk, n: int, i: int) -> None:
    phrase, begin, end = t.phrases[d.found[i, 0]], d.found[i, 1], d.found[i, 2]
    if phrase.around:
        mark(d, sentence_begin(t, d, begin), sentence_end(t, d, end, n), phrase.flag)
        return
    last, has_or = end, False
    most = min(end + phrase.reach, n)
    while last < most and not has(t, d.codes[last], tables.IS_STOP):
        has_or |= has(t, d.codes[last], tables.IS_OR)
        last += 1
    if phrase.commas == tables.STOP or (phrase.commas == tables.LIST and not has_or):
        for at in range(end, last):
            if has(t, d.codes[at], tables.IS_COMMA):
                last = at
                break
    mark(d, end, last, phrase.flag)


@compiled
def mark(d: Desk, begin: int, end: int, flag: int) -> None:
    for at in range(begin, end):
        d.flags[at] |= flag


@compiled
def sentence_begin(t: Tables, d: Desk, at: int) -> int:
    last = max(at - FARTHEST, 0)
    for i in range(at - 1, last - 1, -1):
        if has(t, d.codes[i], tables.IS_END):
            return i + 1
    return last


@compiled
def sentence_end(t: Tables, d: Desk, at: int, n: int) -> int:
    last = min(at + FARTHEST, n)
    for i in range(at, last):
        if has(t, d.codes[i], tables.IS_END):
            return i
    return last


@compiled
def num_quoted(t: Tables, d: Desk, n: int, flag: int) -> int:
    """Words in quotation marks; they are given `flag`."""
    num, opened, closing = 0, 0, -1
    for at in range(n):
        code = d.codes[at]
        if code == closing:
            mark(d, opened, at, flag)
            num += at - opened
            closing = -1
        elif closing < 0 and t.words[code].closes >= 0:
            opened, closing = at + 1, t.words[code].closes
    return num
