"""REST's errors in GraphQL's words: the same codes, with fields by their names here."""

import logging
from collections.abc import Mapping
from typing import Any

import graphene
from django.http import Http404
from graphene.utils.str_converters import to_camel_case
from graphql import GraphQLError

from core import request_id
from core.api.problems import Problem, UnknownParameter, problem, problem_of

from .limits import TooMuch

logger = logging.getLogger("duka.graphql")
_LONGEST_MESSAGE = 1000

# All that a payload may say. What the services of an app refuse by, and DRF's forms.
_CODES = (
    "already_employed",
    "bad_document",
    "bad_row",
    "belongs_elsewhere",
    "blank",
    "booking_conflict",
    "cart_changed",
    "cart_empty",
    "cart_not_found",
    "circular",
    "client_fixed",
    "conflict",
    "contact_needed",
    "date",
    "datetime",
    "differs",
    "does_not_exist",
    "duplicate",
    "duplicate_key",
    "empty",
    "exists",
    "fixed",
    "forgotten",
    "gone",
    "id_taken",
    "illegal_move",
    "impossible_phone",
    "in_use",
    "incorrect_type",
    "invalid",
    "invalid_choice",
    "invalid_number",
    "invalid_parameter",
    "invitation_not_valid",
    "last_shopkeeper",
    "left",
    "less_left",
    "make_aware",
    "max_decimal_places",
    "max_digits",
    "max_length",
    "max_string_length",
    "max_value",
    "max_whole_digits",
    "min_length",
    "min_value",
    "naive",
    "not_a_dict",
    "not_a_list",
    "no_phone",
    "no_quote",
    "no_such_date",
    "not_allowed",
    "not_for_machines",
    "not_for_sale",
    "not_found",
    "not_in_cart",
    "not_offered",
    "not_shippable",
    "not_text",
    "nothing_to_settle",
    "null",
    "null_characters_not_allowed",
    "opted_out",
    "order_changed",
    "out_of_bounds",
    "out_of_stock",
    "overflow",
    "phone_taken",
    "precondition_failed",
    "price_changed",
    "provider_decides",
    "reauthentication_required",
    "required",
    "still_with_customer",
    "subject_needed",
    "surrogate_characters_not_allowed",
    "taken",
    "too_large",
    "too_many_bookings",
    "too_many_rows",
    "too_many_standing_orders",
    "unknown",
    "unknown_field",
    "unknown_right",
    "unknown_sku",
    "wrong_code",
    "wrong_customer",
    "wrong_engagement",
)
ErrorCode = graphene.Enum(
    "ErrorCode",
    [(code.upper(), code) for code in _CODES],
    description=lambda code: (
        f"{code.value.replace('_', ' ').capitalize()}." if code else "What stood in the way."
    ),
)


def mendable(error: Exception) -> Problem | None:
    """Return the problem if who asked can do something about it: it goes into the payload."""
    found = problem_of(error)
    if found is None or found["status"] in {401, 403, 429} or found["status"] >= 500:
        return None
    return None if isinstance(error, Http404) else found


def errors_in(found: Problem) -> list[dict[str, Any]]:
    """Return a problem's failures; one that names none is a failure of the whole."""
    return [
        {"field": _field_of(each), "code": _known(each["code"]), "message": each["detail"]}
        for each in found["errors"]
    ] or [{"field": None, "code": _known(found["code"]), "message": found["detail"]}]


def _known(code: str) -> str:
    if code not in _CODES:
        logger.error("%s is not among the codes of payloads", code)
        return "invalid"
    # Some are members of another enum, such as those of a cart's notices.
    return str(code)


def formatted(error: GraphQLError) -> dict[str, Any]:
    """Return an error as the caller sees it; of one that nobody foresaw, only its request's id."""
    shown: dict[str, Any] = dict(error.formatted)
    if error.path is None:
        # Of the document or its variables: GraphQL's own words, or those of a limit. Twenty that
        # each quote a name of 100,000 letters would be a long answer.
        shown["message"] = error.message[:_LONGEST_MESSAGE]
        shown["extensions"] = {"code": "invalid", **(error.extensions or {})}
        return shown
    if isinstance(error.original_error, TooMuch):
        return shown
    found = problem_of(error.original_error) if error.original_error else None
    if found is None:
        logger.error("graphql: %s", error.message, exc_info=error.original_error or error)
        found = problem(500)
    shown["message"] = _sentence(error, found)
    shown["extensions"] = {
        "code": found["code"],
        "status": found["status"],
        "request_id": request_id.current(),
    }
    if found["errors"]:
        shown["extensions"]["errors"] = errors_in(found)
    return shown


def _sentence(error: GraphQLError, found: Problem) -> str:
    """Return what a client shows that reads nothing but the message."""
    if isinstance(error.original_error, Http404):
        return "There is nothing with this `id`, or you may not see it."
    if isinstance(error.original_error, UnknownParameter):
        return " ".join(f"`{each['field']}`: {each['message']}" for each in errors_in(found))
    return str(found["detail"])


def _field_of(failure: Mapping[str, str]) -> str | None:
    """Return `lines.0.sku` for the JSON pointer `/lines/0/sku`, names as they are called here."""
    path = failure["parameter"] if "parameter" in failure else failure["pointer"][1:]
    return ".".join(to_camel_case(part) for part in path.split("/")) or None


class UserError(graphene.ObjectType):
    """Something that the caller can mend."""

    field = graphene.String(
        description="Where it is in the input, such as `lines.0.sku`; null: all of it."
    )
    message = graphene.NonNull(graphene.String, description="A sentence for people.")
    code = graphene.NonNull(
        ErrorCode, description="The same for programs: REST's code in capitals."
    )
