"""One table describes the API's operations; its routes and its OpenAPI document are made of it."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .record import recorded
from .schemas import Problem

EVENT_STREAM = "text/event-stream"
EVENT = {  # before OpenAPI 3.2, the schema of a stream is that of each event
    "type": "object",
    "properties": {
        "event": {"enum": ["instance", "end"]},
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "description": "Of `instance` an InstanceDocument, of `end` an empty object.",
        },
        "retry": {
            "type": "integer",
            "description": "Milliseconds until a stream that closed without `end` is opened again.",
        },
    },
    "required": ["event", "data"],
    "additionalProperties": False,
}

Handler = Callable[[Request], Awaitable[Response]]
JSON = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """`body`: a document's model, a media type for anything else, or None for no body; an
    operation's likewise."""

    description: str
    body: type[BaseModel] | str | None = None
    headers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Operation:
    method: str
    path: str
    handler: Handler
    summary: str
    answers: dict[int, Answer]
    problems: tuple[int, ...] = ()
    body: type[BaseModel] | str | None = None
    parameters: tuple[JSON, ...] = field(default=())
    public: bool = False  # neither cookie nor token matters

    @property
    def all_problems(self) -> tuple[int, ...]:
        """Sorted. Every change may be refused: another site's page may have caused it."""
        refused = set() if self.method == "GET" else {403}
        return tuple(sorted(refused | {*self.problems}))


def routes(operations: Iterable[Operation]) -> list[Route]:
    """One route a path, so that a wrong method is answered with all the right ones."""
    by_path: defaultdict[str, dict[str, Handler]] = defaultdict(dict)
    for operation in operations:
        handler = operation.handler if operation.method == "GET" else recorded(operation.handler)
        by_path[operation.path][operation.method] = handler
    return [
        Route(path, _by_method(handlers), methods=list(handlers))
        for path, handlers in by_path.items()
    ]


def _by_method(handlers: dict[str, Handler]) -> Handler:
    async def handle(request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        return await handlers[method](request)

    return handle


def openapi(
    operations: Sequence[Operation], *, prefix: str, version: str, server: str, cookie: str
) -> JSON:
    """The OpenAPI 3.1 document."""
    models = {
        model
        for operation in operations
        for model in (operation.body, *(answer.body for answer in operation.answers.values()))
        if isinstance(model, type)
    } | {Problem}
    ordered = sorted(models, key=lambda model: model.__name__)
    schemas = models_json_schema(
        [
            (model, "validation" if model.__name__.endswith("Request") else "serialization")
            for model in ordered
        ],
        ref_template="#/components/schemas/{model}",
    )[1]["$defs"]
    paths: defaultdict[str, JSON] = defaultdict(dict)
    for operation in operations:
        paths[prefix + operation.path][operation.method.lower()] = _describe(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Distros",
            "version": version,
            "description": "Launch, watch, renew and delete disposable web applications.",
        },
        "servers": [{"url": server}],
        "paths": dict(paths),
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "visitor": {"type": "apiKey", "in": "cookie", "name": cookie},
            },
        },
    }


def _describe(operation: Operation) -> JSON:
    described: JSON = {
        "operationId": operation.handler.__name__,
        "summary": operation.summary,
        "responses": {str(status): _answer(answer) for status, answer in operation.answers.items()}
        | {str(status): _problem(status) for status in operation.all_problems},
        "parameters": [*_path_parameters(operation.path), *operation.parameters],
        "security": [{}] if operation.public else [{"token": []}, {"visitor": []}, {}],
    }
    if operation.body is not None:
        described["requestBody"] = {"required": True, "content": _content(operation.body)}
    return described


def _path_parameters(path: str) -> list[JSON]:
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in names
    ]


def _answer(answer: Answer) -> JSON:
    described: JSON = {"description": answer.description}
    if answer.body is not None:
        described["content"] = _content(answer.body)
    if answer.headers:
        described["headers"] = {name: {"schema": {"type": "string"}} for name in answer.headers}
    return described


def _problem(status: int) -> JSON:
    headers = ("Retry-After",) if status in (429, 503) else ()
    described = _answer(Answer(HTTPStatus(status).phrase, Problem, headers))
    described["content"] = {"application/problem+json": described["content"]["application/json"]}
    return described


def _content(body: type[BaseModel] | str) -> JSON:
    if isinstance(body, str):
        return {body: {"schema": EVENT if body == EVENT_STREAM else {"type": "string"}}}
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{body.__name__}"}}}
