"""Features, compiled: rows of a text's grams and facts, as features.py and model.py name them."""

from semsched.predict.urgency.features import MAX_SIZE, MAX_TASKS, START
from semsched.predict.urgency.kernel import desk, tables
from semsched.predict.urgency.kernel.compile import compiled
from semsched.predict.urgency.kernel.desk import Desk
from semsched.predict.urgency.kernel.reading import find, has, mark_scopes, without_claims
from semsched.predict.urgency.kernel.tables import Ints, Tables
from semsched.request import NUM_CLASSES


@compiled
def read(t: Tables, d: Desk, codes: Ints) -> bool:
    """Read a text; what was found lies on the desk. Whether it could be read (BLANK_INSIDE)."""
    for code in codes:
        if code == tables.BLANK_INSIDE:
            return False
    n = without_claims(t, d, codes)
    num_found = find(t, d, n)
    mark_scopes(t, d, n, num_found)
    t.seen[-1] += 1
    for i in range(len(d.counts)):
        d.counts[i] = 0
    d.counts[desk.WORDS] = n
    note_grams(t, d, n)
    d.counts[desk.GRAMS] = d.counts[desk.FEATURES]
    note_phrases(t, d, n, num_found)
    return True


@compiled
def note(t: Tables, d: Desk, row: int, begin: int, end: int) -> bool:
    """A feature, unless it is not known or has been met before; whether it is new."""
    if row < 0 or t.seen[row] == t.seen[-1]:
        return False
    t.seen[row] = t.seen[-1]
    at = d.counts[desk.FEATURES]
    d.features[at, 0], d.features[at, 1], d.features[at, 2] = row, begin, end
    d.counts[desk.FEATURES] += 1
    return True


# --- grams ------------------------------------------------------------------------------------


@compiled
def note_grams(t: Tables, d: Desk, n: int) -> None:
    """Words and pairs of neighbours, and how many words there are."""
    last, last_at, num = tables.BEGINNING, 0, 0
    for at in range(n):
        gram = t.words[d.codes[at]].gram
        num += gram != tables.NO_GRAM
        if at == n - 1 and has(t, d.codes[at], tables.IS_QUESTION):
            gram = t.question
        if gram == tables.NO_GRAM:
            last = tables.NO_GRAM
            continue
        mark = t.variants[d.flags[at]]
        word = gram * tables.NUM_MARKS + mark if gram >= 0 else tables.UNKNOWN
        note_word(t, d, word, mark, at)
        if last >= 0 and word >= 0:
            note(t, d, pair_row(t, last, word), last_at, at + 1)
        last, last_at = word, at
    d.counts[desk.SIZE_ROW] = t.fact_rows[tables.SIZE + min(bit_length(num), MAX_SIZE)]
    for at in range(n):
        d.counts[desk.TELLING] |= has(t, d.codes[at], tables.IS_TELLING)


@compiled
def note_word(t: Tables, d: Desk, word: int, mark: int, at: int) -> None:
    row = t.word_rows[word] if word >= 0 else -1
    if row < 0:
        i = d.counts[desk.UNKNOWN]
        d.unknown[i, 0], d.unknown[i, 1] = at, mark
        d.counts[desk.UNKNOWN] += 1
    elif note(t, d, row, at, at + 1) and row != t.number_row:
        d.counts[desk.KNOWN] += 1


@compiled
def pair_row(t: Tables, first: int, second: int) -> int:
    low, high = t.first_pair[first], t.first_pair[first + 1]
    while low < high:
        middle = (low + high) // 2
        if t.pair_seconds[middle] < second:
            low = middle + 1
        else:
            high = middle
    is_there = low < t.first_pair[first + 1] and t.pair_seconds[low] == second
    return t.pair_rows[low] if is_there else -1


@compiled
def bit_length(number: int) -> int:
    bits = 0
    while number:
        number >>= 1
        bits += 1
    return bits


# --- facts ------------------------------------------------------------------------------------


@compiled
def note_phrases(t: Tables, d: Desk, n: int, num_found: int) -> None:
    """Groups and tasks of the lexicon, and what they say together."""
    num_tasks, personal = num_gates(t, d, num_found), is_personal(t, d, n)
    most_urgent = NUM_CLASSES
    for i in range(num_found):
        number, begin, end = d.found[i, 0], d.found[i, 1], d.found[i, 2]
        kind, rows = t.phrases[number].kind, number * tables.NUM_VARIANTS
        variant = t.variants[d.flags[begin]]
        if kind == tables.GROUP:
            if variant == tables.PLAIN and num_tasks and not personal:
                variant = tables.GATED
            note(t, d, t.phrase_rows[rows + variant], begin, end)
            if variant == tables.PLAIN:
                note(t, d, t.phrase_rows[rows + tables.OWN], begin, end)
                most_urgent = min(most_urgent, t.phrases[number].urgency)
            d.counts[desk.PHRASES] = 1
        elif kind == tables.GATE and variant == tables.PLAIN:
            column = tables.OWN if begin < START else tables.PLAIN
            note(t, d, t.phrase_rows[rows + column], begin, end)
            d.counts[desk.PHRASES] = 1
    d.counts[desk.MOST_URGENT] = most_urgent
    note(t, d, t.fact_rows[tables.MOST_URGENT + most_urgent], 0, 0)
    note(t, d, t.fact_rows[tables.NUM_TASKS + min(num_tasks, MAX_TASKS)], 0, 0)
    if personal:
        note(t, d, t.fact_rows[tables.PERSONAL], 0, 0)


@compiled
def num_gates(t: Tables, d: Desk, num_found: int) -> int:
    """Kinds of task that are named."""
    gates = num = 0
    for i in range(num_found):
        gate = t.phrases[d.found[i, 0]].gate
        if gate and not d.flags[d.found[i, 1]] and not gates & gate:
            gates |= gate
            num += 1
    return num


@compiled
def is_personal(t: Tables, d: Desk, n: int) -> bool:
    for at in range(1, n):
        if has(t, d.codes[at - 1], tables.IS_MY) and has(t, d.codes[at], tables.IS_KIN):
            return True
    return False
