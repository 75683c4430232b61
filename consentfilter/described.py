"""JSON Schemas that say what their models' docstrings say."""

from __future__ import annotations

import inspect
import re
from typing import Any, Final

import pydantic

#: The dialect of every schema that is published.
DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_ATTRIBUTE: Final = re.compile(r"^    (\w+): (.+?)(?=^    \w+: |\Z)", re.M | re.S)


def describe(definition: dict[str, Any], model: type[pydantic.BaseModel]) -> None:
    """Put a model's docstring into its definition: its own text and each property's.

    Titles that pydantic makes of names go. Attributes of the docstring that are no
    properties (they are computed) are passed over.
    """
    summary, _, attributes = (inspect.getdoc(model) or "").partition("Attributes:\n")
    definition["description"] = " ".join(summary.split())
    for said in definition["properties"].values():
        said.pop("title", None)
    for name, said in _ATTRIBUTE.findall(attributes):
        if name in definition["properties"]:
            definition["properties"][name]["description"] = " ".join(said.split())
