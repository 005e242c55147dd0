"""KvMemory against a plain model, and what eviction costs its holder."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from semsched.core.memory import KvMemory
from semsched.core.sequence import Sequence
from semsched.request import Rank, Request


def sequence(id: int = 0, *, swaps: bool = False) -> Sequence:
    return Sequence(Request(id, 0.0, 100, 0, 10, 10), Rank(0, 0, 1), swaps)


def held(memory: KvMemory, *, tokens: int, swaps: bool = False) -> Sequence:
    """A sequence with that many tokens resident in just enough blocks."""
    seq = sequence(swaps=swaps)
    memory.take(seq, memory.blocks_for(tokens))
    memory.fill(seq, tokens)
    return seq


@pytest.mark.parametrize(("tokens", "blocks"), [(0, 0), (1, 1), (4, 1), (5, 2), (8, 2), (9, 3)])
def test_blocks_are_whole(tokens: int, blocks: int) -> None:
    assert KvMemory(10, 4).blocks_for(tokens) == blocks


@pytest.mark.parametrize(("tokens", "missing"), [(0, 0), (5, 0), (8, 0), (9, 1), (16, 2)])
def test_missing_counts_what_is_held(tokens: int, missing: int) -> None:
    memory = KvMemory(10, 4)
    assert memory.missing(held(memory, tokens=5), tokens) == missing


def test_asking_changes_nothing() -> None:
    memory = KvMemory(10, 4)
    seq = sequence()
    memory.missing(seq, 12)
    memory.blocks_for(12)
    assert memory.num_free == 10
    assert not memory.holders


def test_eviction_takes_from_the_tail_just_what_lay_in_the_blocks() -> None:
    memory = KvMemory(10, 4)
    seq = held(memory, tokens=10)
    assert memory.evict(seq, 1) == 2
    assert (seq.num_blocks, seq.resident, seq.computed) == (2, 8, 10)
    assert memory.evict(seq, 1) == 4
    assert (seq.num_blocks, seq.resident, seq.computed) == (1, 4, 10)
    assert memory.num_free == 9
    assert memory.num_evictions == 2


def test_an_empty_block_goes_without_loss() -> None:
    memory = KvMemory(10, 4)
    seq = held(memory, tokens=4)
    memory.take(seq, 1)
    assert memory.evict(seq, 1) == 0
    assert seq.resident == 4
    assert seq.recomputed_tokens == seq.swapped_tokens == memory.unsaved_tokens == 0


def test_what_is_recomputed_is_not_saved() -> None:
    memory = KvMemory(10, 4)
    seq = held(memory, tokens=10, swaps=False)
    memory.evict(seq, 2)
    assert (seq.recomputed_tokens, seq.swapped_tokens, memory.unsaved_tokens) == (6, 0, 0)


def test_what_is_swapped_is_saved_in_the_next_step() -> None:
    memory = KvMemory(10, 4)
    seq = held(memory, tokens=10, swaps=True)
    memory.evict(seq, 2)
    assert (seq.recomputed_tokens, seq.swapped_tokens, memory.unsaved_tokens) == (0, 6, 6)


def test_who_holds_nothing_is_no_holder() -> None:
    memory = KvMemory(10, 4)
    seq = held(memory, tokens=5)
    assert list(memory.holders) == [seq]
    memory.evict(seq, 2)
    assert not memory.holders
    memory.release(seq)
    assert (memory.num_free, memory.num_tokens) == (10, 0)


class MemoryMachine(RuleBasedStateMachine):
    """Any sequence of acts that were asked for leaves the memory equal to the model."""

    @initialize(num_blocks=st.integers(1, 12), block_size=st.integers(1, 5))
    def build(self, num_blocks: int, block_size: int) -> None:
        self.memory = KvMemory(num_blocks, block_size)
        self.size = block_size
        self.seqs = [sequence(id, swaps=id % 2 == 0) for id in range(4)]
        self.blocks = dict.fromkeys(self.seqs, 0)
        self.tokens = dict.fromkeys(self.seqs, 0)
        self.lost = dict.fromkeys(self.seqs, 0)
        self.most = dict.fromkeys(self.seqs, 0)

    @rule(id=st.integers(0, 3), num=st.integers(0, 12))
    def take(self, id: int, num: int) -> None:
        num = min(num, self.memory.num_free)
        if num:
            self.memory.take(self.seqs[id], num)
            self.blocks[self.seqs[id]] += num

    @rule(id=st.integers(0, 3), num=st.integers(1, 60))
    def fill(self, id: int, num: int) -> None:
        seq = self.seqs[id]
        num = min(num, self.blocks[seq] * self.size - self.tokens[seq])
        self.memory.fill(seq, num)
        self.tokens[seq] += num
        self.most[seq] = max(self.most[seq], self.tokens[seq])

    @rule(id=st.integers(0, 3), num=st.integers(1, 12))
    def evict(self, id: int, num: int) -> None:
        seq = self.seqs[id]
        num = min(num, self.blocks[seq])
        if num:
            self.blocks[seq] -= num
            kept = min(self.tokens[seq], self.blocks[seq] * self.size)
            assert self.memory.evict(seq, num) == self.tokens[seq] - kept
            self.lost[seq] += self.tokens[seq] - kept
            self.tokens[seq] = kept

    @rule(id=st.integers(0, 3))
    def release(self, id: int) -> None:
        old, new = self.seqs[id], sequence(id, swaps=id % 2 == 0)
        self.memory.release(old)
        assert old.num_blocks == 0
        self.seqs[id] = new
        for column in (self.blocks, self.tokens, self.most):
            del column[old]
            column[new] = 0
        self.lost[new] = 0

    @invariant()
    def blocks_are_conserved(self) -> None:
        assert self.memory.num_free >= 0
        assert self.memory.num_free + sum(self.blocks.values()) == self.memory.num_blocks
        assert set(self.memory.holders) == {seq for seq, num in self.blocks.items() if num}

    @invariant()
    def tokens_lie_in_blocks(self) -> None:
        assert self.memory.num_tokens == sum(self.tokens.values())
        for seq, num in self.tokens.items():
            assert seq.num_blocks == self.blocks[seq]
            assert seq.resident == num <= seq.num_blocks * self.size
            assert seq.computed == self.most[seq]

    @invariant()
    def a_lost_token_is_swapped_or_recomputed_never_both(self) -> None:
        for seq, num in self.lost.items():
            assert (seq.swapped_tokens, seq.recomputed_tokens) == (
                (num, 0) if seq.swaps else (0, num)
            )
        swapped = sum(num for seq, num in self.lost.items() if seq.swaps)
        assert self.memory.unsaved_tokens == swapped


TestMemoryMachine = MemoryMachine.TestCase
TestMemoryMachine.settings = settings(max_examples=60, deadline=None)
