"""Ways to ask for a completion: by chat messages and by a bare prompt."""

from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

from semsched.engine.answers import Answer
from semsched.engine.body import Body
from semsched.engine.wire import ChoiceWire, Wire
from semsched.predict.chat import text_of
from semsched.web.failure import ApiError
from semsched.workload.texts import prompt_tokens


class Prompt(NamedTuple):
    """What is asked, and the tokens of all that the model would read."""

    text: str
    num_tokens: int


class Dialect(Protocol):
    """How a request and its answer look."""

    field: str
    """Of the body, where what is asked is."""

    def prompt(self, body: Body) -> Prompt:
        """What is asked; raises ApiError (400)."""
        ...

    def wire(self, model: str, prompt_tokens: int, answer: Answer) -> Wire:
        """The bytes of the answer."""
        ...


class Chat:
    """/v1/chat/completions"""

    field = "messages"
    prefix = "chatcmpl"
    whole_object = "chat.completion"
    chunk_object = "chat.completion.chunk"

    def prompt(self, body: Body) -> Prompt:
        """All messages are read; what the user says decides what the answer is."""
        if not body.messages:
            raise ApiError(400, "missing_field", "messages: at least one is needed", "messages")
        read = "\n".join(contents_of("messages", body.messages))
        return Prompt(text_of({"messages": body.messages}), int(prompt_tokens((read,))[0]))

    def wire(self, model: str, prompt_tokens: int, answer: Answer) -> Wire:
        """Chunks with a choice."""
        return ChoiceWire(self, model, prompt_tokens, answer)

    def opening(self) -> dict[str, Any] | None:
        """Who speaks."""
        return {"delta": {"role": "assistant", "content": ""}}

    def piece(self, text: str | None) -> dict[str, Any]:
        """A delta."""
        return {"delta": {} if text is None else {"content": text}}

    def whole(self, text: str) -> dict[str, Any]:
        """A message."""
        return {"message": {"role": "assistant", "content": text}}


class Text:
    """/v1/completions"""

    field = "prompt"
    prefix = "cmpl"
    whole_object = chunk_object = "text_completion"

    def prompt(self, body: Body) -> Prompt:
        """A string, a list of one, or the ids of tokens."""
        match body.prompt:
            case [str() as text]:
                return prompt_of("prompt", text)
        return prompt_of("prompt", body.prompt)

    def wire(self, model: str, prompt_tokens: int, answer: Answer) -> Wire:
        """Chunks with a choice."""
        return ChoiceWire(self, model, prompt_tokens, answer)

    def opening(self) -> dict[str, Any] | None:
        """Nothing."""
        return None

    def piece(self, text: str | None) -> dict[str, Any]:
        """A text."""
        return self.whole(text or "")

    def whole(self, text: str) -> dict[str, Any]:
        """A text."""
        return {"text": text, "logprobs": None}


def prompt_of(field: str, value: object) -> Prompt:
    """A string, or the ids of tokens, neither empty; raises ApiError (400)."""
    match value:
        case str() as text if text:
            return Prompt(text, int(prompt_tokens((text,))[0]))
        case [int(), *_] as ids if all(type(id) is int for id in ids):
            return Prompt(" ".join(map(str, ids)), len(ids))
    message = f"{field}: must be one text or one list of token ids, and not empty"
    raise ApiError(400, "invalid_value", message, field)


def contents_of(field: str, messages: list[Any]) -> Iterator[str]:
    """Every text in the messages, whoever speaks."""
    for at, message in enumerate(messages):
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            place = f"{field}[{at}]"
            raise ApiError(400, "invalid_value", f"{place}: must be an object with a role", place)
        content = message.get("content")
        for part in content if isinstance(content, list) else [content]:
            text = part.get("text") if isinstance(part, dict) else part
            if isinstance(text, str):
                yield text
