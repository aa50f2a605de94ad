"""Whether what a person says of a client's table can be meant."""

from collections.abc import Mapping
from typing import Any

from core.errors import FieldError
from core.stored import storable
from repairs.clients import COLUMNS
from repairs.exceptions import BadMapping
from repairs.states import JobStatus, plain

# Of a name; databases take 64 or 128 signs.
LONGEST = 128
MOST_WORDS = 200

_SETTINGS = {"active", "table", "columns", "statuses", "write_back"}


def checked_changes(changes: Mapping[str, Any], *, beside: Mapping[str, str]) -> None:
    """Refuse what a source cannot be set to. `beside` are the columns that the settings name.

    Raises:
        BadMapping: each thing that is wrong, by the field and what it is about.
    """
    if unknown := set(changes) - _SETTINGS:
        raise TypeError(f"A source has no {', '.join(sorted(unknown))} to be changed.")
    errors = [
        *_switches(changes),
        *_table(changes.get("table", "")),
        # Where they stay as they are they may be wrong by the settings, which is not mended here.
        *(_columns(changes["columns"], beside) if "columns" in changes else ()),
        *_statuses(changes.get("statuses", {})),
    ]
    if errors:
        raise BadMapping(" ".join(each.detail for each in errors), errors=errors)


def _error(*path: str, detail: str) -> FieldError:
    return FieldError(path=path, code=BadMapping.code, detail=detail)


def _switches(changes: Mapping[str, Any]) -> list[FieldError]:
    errors = []
    if not isinstance(changes.get("active", True), bool):
        errors.append(_error("active", detail="This is true or false."))
    if not isinstance(changes.get("write_back"), bool | None):
        errors.append(_error("write_back", detail="This is true, false, or null."))
    return errors


def _is_name(name: object) -> bool:
    return (
        isinstance(name, str)
        and 0 < len(name) <= LONGEST
        and name.strip() == name
        and storable(name) == name
    )


def _table(name: object) -> list[FieldError]:
    if name == "" or _is_name(name):
        return []
    return [_error("table", detail=f"A table's name has up to {LONGEST} signs, without spaces.")]


def _columns(given: object, beside: Mapping[str, str]) -> list[FieldError]:
    if not isinstance(given, Mapping):
        return [_error("columns", detail="This is an object: a column and its name there.")]
    errors = []
    for ours, theirs in given.items():
        if ours not in COLUMNS:
            known = ", ".join(COLUMNS)
            errors.append(
                _error("columns", str(ours), detail=f"{ours} is no column: there are {known}.")
            )
        elif not _is_name(theirs):
            detail = f"The name of {ours} has 1 to {LONGEST} signs, without spaces around them."
            errors.append(_error("columns", ours, detail=detail))
    if errors:
        return errors
    named: dict[str, str] = {}
    for ours in COLUMNS:
        theirs = given.get(ours) or beside.get(ours, ours)
        # Databases do not tell capitals apart here.
        other = named.setdefault(theirs.lower(), ours)
        if other != ours:
            at = ours if ours in given else other
            detail = f"{other} and {ours} would both be called {theirs}."
            errors.append(_error("columns", at, detail=detail))
    return errors


def _statuses(given: object) -> list[FieldError]:
    if not isinstance(given, Mapping):
        return [_error("statuses", detail="This is an object: a word and what it means.")]
    if len(given) > MOST_WORDS:
        return [_error("statuses", detail=f"There may be {MOST_WORDS} words.")]
    errors = []
    meant: dict[str, str] = {}
    for word, status in given.items():
        if not _is_name(word):
            detail = f"A word has 1 to {LONGEST} signs, without spaces around them."
            errors.append(_error("statuses", str(word), detail=detail))
        elif status not in JobStatus.values:
            known = ", ".join(JobStatus.values)
            detail = f"{word} must lead to one of {known}."
            errors.append(_error("statuses", word, detail=detail))
        elif meant.setdefault(plain(word), status) != status:
            detail = f"{word} would mean two things: capitals do not matter."
            errors.append(_error("statuses", word, detail=detail))
    return errors
