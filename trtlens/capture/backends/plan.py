"""What a backend would do, before it does it.

In: nothing. Out: the records Plan, Step, Member and Surface that the backends fill. Next: python_api.py and trtexec.py make plans,
driver.py carries out the Python ones, build.py shows them for --dry-run.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Member:
    """A member of an enumeration of the TensorRT module, by name: values move between versions (STRICT_NANS, EDITABLE_TIMING_CACHE)."""

    enumeration: str
    name: str

    def __str__(self) -> str:
        return f"{self.enumeration}.{self.name}"


@dataclass(frozen=True, slots=True)
class Step:
    """One call or assignment on the Python API: `owner.attribute(*arguments)` or `owner.attribute = argument`.

    `owner_class` is the class TensorRT documents the attribute for, so that a test can ask the real bindings whether it exists.
    """

    kind: Literal["call", "set"]
    owner: str
    owner_class: str
    attribute: str
    arguments: tuple[Any, ...]

    def __str__(self) -> str:
        values = ", ".join(str(one) if isinstance(one, Member) else repr(one) for one in self.arguments)
        return f"{self.owner}.{self.attribute} = {values}" if self.kind == "set" else f"{self.owner}.{self.attribute}({values})"


@dataclass(frozen=True, slots=True)
class Surface:
    """Which attributes the TensorRT module of this machine has: {class or enumeration: names}. `version` is the module's `__version__`."""

    version: str
    members: Mapping[str, frozenset[str]]

    def has(self, owner_class: str, name: str | None = None) -> bool:
        names = self.members.get(owner_class)
        return names is not None and (name is None or name in names)

    @classmethod
    def of(cls, module: Any, classes: Iterable[str]) -> Surface:
        """The surface of an imported TensorRT module, for the named classes."""
        found = {name: getattr(module, name, None) for name in classes}
        return cls(
            str(module.__version__),
            {name: frozenset(one for one in dir(value) if not one.startswith("_")) for name, value in found.items() if value is not None},
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be called. `refusals`: options this backend or version lacks, with the reason; a plan that has any is not carried out.

    `network_flags`: names in NetworkDefinitionCreationFlag; `command`: trtexec's command line; `notes`: what the user should know.
    """

    backend: str
    version: str | None
    steps: tuple[Step, ...] = ()
    network_flags: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    refusals: tuple[str, ...] = ()
    calls: tuple[str, ...] = ()
    """The Python calls as text, where the plan was made in the child process and only its text came back."""

    def lines(self) -> list[str]:
        """The plan for a reader: the command, or the calls in their order."""
        if self.calls:
            return list(self.calls)
        if self.command:
            return [shlex.join(self.command)]
        network = " | ".join(f"NetworkDefinitionCreationFlag.{name}" for name in self.network_flags) or "0"
        return [f"network = builder.create_network({network})", *(str(step) for step in self.steps)]
