"""Who is meant by a namespace and an id (section 1.4)."""

from __future__ import annotations

import unicodedata
from typing import Any, Final

PLACEHOLDERS: Final = frozenset(
    ("", "null", "none", "nan", "n/a", "unknown", "anonymous")
)


def subject_key(ns: str | None, subject_id: Any) -> str | None:
    """Return `ns 0x1F id` after normalisation, or None where nobody is named."""
    if subject_id is None:
        return None
    text = unicodedata.normalize("NFC", str(subject_id)).strip()
    # Choice: placeholders are recognised in any case (NULL, None, NaN).
    if text.casefold() in PLACEHOLDERS:
        return None
    namespace = ns or "user_id"
    if namespace == "email":
        text = unicodedata.normalize("NFC", text.casefold())
    return f"{namespace}\x1f{text}"


def blank_is_none(text: str | None) -> str | None:
    """Return None for a blank scope value, else the value untouched."""
    return text if text is not None and text.strip() else None


def place(code: str | None) -> str | None:
    """Return a jurisdiction code stripped and in upper case, None if blank."""
    return (code or "").strip().upper() or None


def closure(links: list[dict[str, Any]]) -> dict[str, frozenset[str]]:
    """Return, per key, all the other keys that links lead to, over any distance."""
    families: dict[str, set[str]] = {}
    for link in links:
        a = subject_key(link.get("ns_a"), link["id_a"])
        b = subject_key(link.get("ns_b"), link["id_b"])
        if a is None or b is None:
            continue
        family = families.get(a, {a}) | families.get(b, {b})
        for key in family:
            families[key] = family
    return {key: frozenset(family - {key}) for key, family in families.items()}
