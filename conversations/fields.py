"""Columns that Django has no field for."""

from typing import Any

from bson import ObjectId
from django.db import models
from django.db.models.lookups import Lookup


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

    def db_type(self, connection: Any) -> str:
        # By the name `varchar` Django would make a second index, for LIKE, which this order serves.
        return f"character varying({self.max_length})"


class JsonbField(models.Field[Any, Any]):
    """JSONB to the database, text of JSON to us: numbers and nesting reach it unchanged.

    Never rendered anew, as JSONB has another order of keys, and none of them twice.
    """

    def db_type(self, connection: Any) -> str:
        return "jsonb"

    def get_internal_type(self) -> str:
        return "JsonbField"


@JsonbField.register_lookup
class Fulfils(Lookup[Any]):
    """`custom__fulfils=jsonpath`: whether the path leads to anything."""

    lookup_name = "fulfils"
    prepare_rhs = False

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, Any]:
        statement, parameters = self.process_lhs(compiler, connection)
        return f"{statement} @? %s::jsonpath", [*parameters, self.rhs]
