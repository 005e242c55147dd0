"""The gateway's API described in OpenAPI 3.1, for people and for tools that try everything."""

from typing import Any

import semsched
from semsched.request import CLASS_NAMES, NUM_CLASSES

Schema = dict[str, Any]

_CLASS: Schema = {"enum": [*CLASS_NAMES, *range(NUM_CLASSES)]}

_ERROR: Schema = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "null"]},
            },
        }
    },
}

_CLAIMS: list[Schema] = [
    {
        "name": "x-request-priority",
        "in": "header",
        "description": "The class that is claimed: a name or 0 (most urgent) to 4.",
        "schema": {"type": "string", "enum": [*CLASS_NAMES, *map(str, range(NUM_CLASSES))]},
    },
    {
        "name": "x-request-deadline-ms",
        "in": "header",
        "description": "Milliseconds from now after which the answer is of no use.",
        "schema": {"type": "integer", "minimum": 1, "maximum": 86_400_000},
    },
]

_PART: Schema = {
    "type": "object",
    "required": ["type", "text"],
    "properties": {"type": {"const": "text"}, "text": {"type": "string"}},
}

_MESSAGES: Schema = {
    "type": "array",
    "minItems": 1,
    "items": {
        "type": "object",
        "required": ["role", "content"],
        "properties": {
            "role": {"enum": ["system", "user", "assistant"]},
            "content": {"anyOf": [{"type": "string"}, {"type": "array", "items": _PART}]},
        },
    },
}

_TEXT: Schema = {"type": "string", "minLength": 1}

_INPUTS: dict[str, tuple[str, Schema]] = {
    "/v1/chat/completions": ("messages", _MESSAGES),
    "/v1/completions": ("prompt", _TEXT),
    "/v1/responses": ("input", _TEXT),
    "/v1/embeddings": ("input", _TEXT),
}
"""What each endpoint must be given."""


def _json(schema: Schema) -> Schema:
    return {"content": {"application/json": {"schema": schema}}}


def _answers(*statuses: int, **more: Schema) -> Schema:
    """Errors of these statuses, and what else there may be."""
    errors = {str(status): {"description": "an error", **_json(_ERROR)} for status in statuses}
    return {**{name.removeprefix("_"): value for name, value in more.items()}, **errors}


def _ask(path: str) -> Schema:
    name, schema = _INPUTS[path]
    body: Schema = {
        "type": "object",
        "required": ["model", name],
        "properties": {
            "model": {"type": "string"},
            name: schema,
            "max_tokens": {"type": "integer", "minimum": 1, "maximum": 2**31 - 1},
            "stream": {"type": "boolean"},
            "priority": _CLASS,
        },
    }
    done = {
        "description": "the answer, in one piece or as a stream of events",
        "content": {"application/json": {}, "text/event-stream": {}},
    }
    statuses = (400, 401, 403, 404, 408, 413, 422, 429, 500, 502, 503, 504)
    return {
        "summary": f"OpenAI's {path.removeprefix('/v1')}, served by urgency",
        "parameters": _CLAIMS,
        "requestBody": {"required": True, **_json(body)},
        "responses": _answers(*statuses, _200=done),
    }


def _look(summary: str, kind: str, *statuses: int) -> Schema:
    done = {"description": "here it is", "content": {kind: {}}}
    return {"summary": summary, "responses": _answers(*statuses, _200=done)}


_ID: list[Schema] = [
    {
        "name": "id",
        "in": "path",
        "required": True,
        "schema": {"type": "integer", "minimum": 0},
    }
]


def _one_of_the_queue() -> Schema:
    changed = _json(
        {
            "type": "object",
            "required": ["class"],
            "properties": {"class": _CLASS},
        }
    )
    return {
        "parameters": _ID,
        "delete": {
            "summary": "Take a waiting request out of the queue",
            "responses": _answers(403, 404, _204={"description": "it is gone"}),
        },
        "patch": {
            "summary": "Give a waiting request another class",
            "requestBody": {"required": True, **changed},
            "responses": _answers(
                400, 403, 404, 408, 413, _200={"description": "it is there", **_json({})}
            ),
        },
    }


def description() -> Schema:
    """The document."""
    healthy = {"description": "yes"}
    return {
        "openapi": "3.1.0",
        "info": {"title": "semsched", "version": semsched.__version__},
        "paths": {
            **{path: {"post": _ask(path)} for path in _INPUTS},
            "/v1/models": {"get": _look("The models of all backends", "application/json", 401)},
            "/health": {
                "get": {"summary": "Is it alive?", "responses": _answers(_200=healthy)},
            },
            "/ready": {
                "get": {
                    "summary": "Are requests welcome?",
                    "responses": _answers(503, _200=healthy),
                }
            },
            "/metrics": {"get": _look("Prometheus' metrics", "text/plain")},
            "/admin/queue": {"get": _look("Who waits and who runs", "application/json", 403)},
            "/admin/queue/{id}": _one_of_the_queue(),
        },
    }
