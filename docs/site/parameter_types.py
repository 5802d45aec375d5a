"""An extension of Griffe: each of several parameters that share an entry has its own type.

Of an entry such as ``model, strength, device`` without types, Griffe gives all the first one's.
"""

from __future__ import annotations

from typing import Any

from griffe import Class, DocstringSectionParameters, Extension, Function


class OwnTypes(Extension):
    """Corrects the parsed docstrings of functions and classes."""

    def on_function(self, *, func: Function, **_: Any) -> None:
        """Correct a function's docstring."""
        _correct(func)

    def on_class(self, *, cls: Class, **_: Any) -> None:
        """Correct the docstring of a class, which tells of its ``__init__``."""
        _correct(cls)


def _correct(documented: Function | Class) -> None:
    if documented.docstring is None:
        return
    signature = {parameter.name: parameter for parameter in documented.parameters}
    borrowed = {id(parameter.annotation) for parameter in signature.values()}
    for section in documented.docstring.parsed:
        if isinstance(section, DocstringSectionParameters):
            for entry in section.value:
                if id(entry.annotation) in borrowed and entry.name in signature:
                    entry.annotation = signature[entry.name].annotation
                    entry.value = signature[entry.name].default
