"""What a distribution may ask for beyond what every instance gets, each with the reason why.

Nothing here is ever on by itself. `distros catalog check` lists who asks for what, and why.
"""

from collections.abc import Iterator
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300)]

# Those with which root inside a container does a server's usual chores. None reaches the network's
# lower layers, devices, the kernel or other processes' memory, and there are no others to ask for.
Capability = Literal[
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "NET_BIND_SERVICE",
    "SETGID",
    "SETUID",
]

_TABLE: Final = "capabilities"


class Weaker(BaseModel):
    """What the application cannot do without. Each is asked for by the reason why, in a sentence;
    leave out what is not needed."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    writable_root: Reason | None = Field(
        default=None,
        description="The application writes all over its image's files, not only in `[tmpfs]`. "
        "`limits.disk` bounds what it writes; refused where the engine cannot do that.",
    )
    unlimited_disk: Reason | None = Field(
        default=None,
        description="With `writable_root`, where the engine cannot bound what is written: an "
        "instance may then fill this machine's disk.",
    )
    root_user: Reason | None = Field(
        default=None,
        description="The image starts as root, or as a user known by name alone. Root has no "
        "capabilities but those asked for, yet shares its number with the machine's.",
    )
    capabilities: dict[Capability, Reason] = Field(
        default_factory=dict, description="Capabilities of root, each with its reason."
    )

    @model_validator(mode="after")
    def _of_any_effect(self) -> Self:
        if self.capabilities and self.root_user is None:
            raise ValueError("needs `root_user` for its `capabilities`: only root can use them")
        if self.unlimited_disk is not None and self.writable_root is None:
            raise ValueError("needs `writable_root` for its `unlimited_disk`")
        return self

    def asked(self) -> Iterator[tuple[str, str]]:
        """What is asked for, by its key, and why."""
        for key in type(self).model_fields:
            value = getattr(self, key)
            if key == _TABLE:
                yield from ((f"{key}.{name}", reason) for name, reason in value.items())
            elif value is not None:
                yield key, value
