"""KvMemory: paged KV blocks. Who holds how many, and what a taken block costs its holder."""

from semsched.core.sequence import Sequence


class KvMemory:
    """Counts the KV blocks of one engine.

    Ask first (`missing`, `num_free`), then act (`take`, `evict`, `release`): acts may assume
    that they were asked.
    """

    def __init__(self, num_blocks: int, block_size: int) -> None:
        self.num_blocks = num_blocks
        self.block_size = block_size
        self.num_free = num_blocks
        self.num_tokens = 0
        """Tokens resident, over all holders."""
        self.num_evictions = 0
        self.unsaved_tokens = 0
        """Tokens to copy to host memory in the next step."""
        self.holders: dict[Sequence, None] = {}

    def blocks_for(self, num_tokens: int) -> int:
        """Blocks that hold `num_tokens`."""
        return -(-num_tokens // self.block_size)

    def missing(self, seq: Sequence, num_tokens: int) -> int:
        """Blocks that `seq` lacks to hold `num_tokens` in all."""
        return max(self.blocks_for(num_tokens) - seq.num_blocks, 0)

    def take(self, seq: Sequence, num_blocks: int) -> None:
        """Give `seq` that many of the free blocks."""
        self.num_free -= num_blocks
        seq.num_blocks += num_blocks
        self.holders[seq] = None

    def fill(self, seq: Sequence, num_tokens: int) -> None:
        """Make `num_tokens` more of `seq` resident, in blocks it holds."""
        seq.resident += num_tokens
        seq.computed = max(seq.computed, seq.resident)
        self.num_tokens += num_tokens

    def evict(self, seq: Sequence, num_blocks: int) -> int:
        """Take blocks from the tail of `seq`; returns the tokens lost with them."""
        self._give_back(seq, num_blocks)
        lost = max(seq.resident - seq.num_blocks * self.block_size, 0)
        seq.resident -= lost
        self.num_tokens -= lost
        self.num_evictions += 1
        if seq.swaps:
            seq.swapped_tokens += lost
            self.unsaved_tokens += lost
        else:
            seq.recomputed_tokens += lost
        return lost

    def release(self, seq: Sequence) -> None:
        """Take back all that `seq` holds: it is done."""
        self.num_tokens -= seq.resident
        if seq.num_blocks:
            self._give_back(seq, seq.num_blocks)

    def _give_back(self, seq: Sequence, num_blocks: int) -> None:
        self.num_free += num_blocks
        seq.num_blocks -= num_blocks
        if not seq.num_blocks:
            del self.holders[seq]
