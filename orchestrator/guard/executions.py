"""What the orchestrator may run in an instance's container: the programs that the catalogue names
for its distribution, word by word, with the rights that the container has. Pure.

There is no terminal, nothing is sent to their input, and no other user, environment or folder.
"""

from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from ..domain import take_away
from . import documents
from .creation import Policy, first_problem
from .keys import Nothing, Words
from .refusals import Refused


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


Asked = TypeVar("Asked", bound=_Model)


class _Execution(_Model):
    Cmd: Words
    AttachStdout: Literal[True]
    AttachStderr: Literal[True]
    # The SDK writes these, without a value.
    AttachStdin: Literal[False] = False
    Tty: Literal[False] = False
    Privileged: Literal[False] = False
    User: Literal[""] = ""
    Env: Nothing = None
    Container: str | None = None


class _Start(_Model):
    Detach: Literal[False]
    Tty: Literal[False]


def admitted(body: bytes, slug: str, policy: Policy) -> dict[str, Any]:
    """What may be run in a container of this distribution, as it was understood. Raises Refused."""
    asked = _read(_Execution, body)
    if tuple(asked.Cmd) not in _commands(slug, policy):
        raise Refused("Cmd: the catalogue names no such program for this container")
    return asked.model_dump(exclude={"Container"}, exclude_none=True)


def started(body: bytes) -> dict[str, Any]:
    """Raises Refused."""
    return _read(_Start, body).model_dump()


def _commands(slug: str, policy: Policy) -> list[tuple[str, ...]]:
    wanted = [each.take_away for each in policy.catalog if each.slug == slug]
    return [take_away.command(each) for each in wanted if each is not None]


def _read(model: type[Asked], body: bytes) -> Asked:
    try:
        return model.model_validate(documents.parse(body))
    except ValidationError as error:
        raise Refused(first_problem(error)) from None
