"""semsched: semantic scheduling for LLM inference."""

from importlib.metadata import version

from semsched.request import NUM_CLASSES, Rank, Request

__version__ = version("semsched")
__all__ = ["NUM_CLASSES", "Rank", "Request", "__version__"]
