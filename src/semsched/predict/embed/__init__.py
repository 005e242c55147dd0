"""What a text means, as 384 numbers: all-MiniLM-L6-v2 on one core, without torch.

Optional (`pip install 'semsched[embed]'`); importing this package needs none of it.
"""

from semsched.predict.embed.encoder import Encoder

__all__ = ["Encoder"]
