"""Columns that Django has no field for."""

from typing import Any

from bson import ObjectId
from django.db import models


def new_object_id() -> str:
    """Return a new ObjectId (MongoDB's: 24 hex digits, the first eight of them the time)."""
    return str(ObjectId())


class ObjectIdField(models.CharField[Any, Any]):
    """A primary key as MongoDB makes them, in 24 hex digits."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            **{
                "max_length": 24,
                "default": new_object_id,
                "editable": False,
                # In the order of their bytes, which is that of their time.
                "db_collation": "C",
                **kwargs,
            }
        )


class JsonbField(models.Field[Any, Any]):
    """JSONB to the database, text of JSON to us: numbers and nesting reach it unchanged.

    Never rendered anew, as JSONB has another order of keys, and none of them twice.
    """

    def db_type(self, connection: Any) -> str:
        return "jsonb"

    def get_internal_type(self) -> str:
        return "JsonbField"
