"""Django REST Framework and the OpenAPI document (design: docs/architecture.md)."""

import re
from typing import Any

from .env import checked, env


def limit(name: str, *, default: str = "") -> str | None:
    """Return a limit such as `600/min`, or None for no limit (`off`)."""
    rate = checked(
        name,
        env.str(name, default="") or default,
        fits=lambda text: re.fullmatch(r"(\d+/(s|sec|m|min|h|hour|d|day)|off)?", text) is not None,
        must="a number a second, minute, hour or day such as 600/min, or off",
    )
    return rate if rate != "off" and rate else None


# What begins the addresses that programs ask: problem+json there, whatever they accept.
API_PATHS = ("/api/", "/graphql", "/clients", "/engagements", "/interactions")

REST_FRAMEWORK: dict[str, Any] = {
    # Bearer first: its WWW-Authenticate makes "no credentials" a 401 rather than a 403.
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.authentication.BearerAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["core.api.permissions.IsPermitted"],
    "DEFAULT_PARSER_CLASSES": ["core.api.parsers.JSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_FILTER_BACKENDS": [
        "core.api.filters.StrictFilterBackend",
        "core.api.filters.SearchFilter",
        "core.api.filters.OrderingFilter",
    ],
    "DEFAULT_PAGINATION_CLASS": "core.api.pagination.KeysetPagination",
    "DEFAULT_SCHEMA_CLASS": "core.api.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "core.api.problems.exception_handler",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
    "DEFAULT_THROTTLE_CLASSES": [
        "core.api.throttles.AnonThrottle",
        "core.api.throttles.UserThrottle",
    ],
    # Whose X-Forwarded-For counts for an address: a proxy's of ours, never a caller's own.
    "NUM_PROXIES": int(env.bool("BEHIND_PROXY", default=False)),
    # Requests for each user or address and process; None: no limit (production has some).
    "DEFAULT_THROTTLE_RATES": {
        "anon": limit("THROTTLE_ANON"),
        "user": limit("THROTTLE_USER"),
        # Carts that strangers begin, for each address.
        "new_carts": limit("THROTTLE_NEW_CARTS", default="300/hour"),
    },
}

SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "Duka",
    "DESCRIPTION": "Order management that a small business hosts itself.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    # Assets of the documentation page come from the wheel, never from a CDN.
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    # Docstrings of bases are for maintainers, not for callers.
    "GET_LIB_DOC_EXCLUDES": "core.api.openapi.bases",
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "core.api.openapi.with_problems",
    ],
    "ENUM_NAME_OVERRIDES": {
        "OrderStatusEnum": "orders.states.OrderStatus",
        "BookingStatusEnum": "bookings.states.BookingStatus",
        "ShipmentStatusEnum": "shipping.states.ShipmentStatus",
        "ShipmentVerbEnum": "shipping.states.ShipmentVerb",
        "DeliveryServiceEnum": "shipping.states.DeliveryService",
        "CircuitStateEnum": "shipping.states.CircuitState",
        "NewsSourceEnum": "shipping.states.NewsSource",
        "NewsStateEnum": "shipping.states.NewsState",
        "StandingOrderStatusEnum": "shipping.states.StandingOrderStatus",
        "StandingOrderVerbEnum": "shipping.states.StandingOrderVerb",
        "OccurrenceStatusEnum": "shipping.states.OccurrenceStatus",
        # Its serializer leaves one of `accounts.states.Standing` out.
        "InvitationStateEnum": [
            ("open", "Open"),
            ("accepted", "Accepted"),
            ("revoked", "Revoked"),
            ("expired", "Expired"),
        ],
        "RepairStatusEnum": "repairs.states.JobStatus",
        "AsideReasonEnum": "repairs.states.AsideReason",
        "FindingCodeEnum": "repairs.states.FindingCode",
        "ContactChannelEnum": "conversations.states.Channel",
        "ContactDirectionEnum": "conversations.states.Direction",
        "ContactOutcomeEnum": "conversations.states.Outcome",
        "CartNoticeCodeEnum": "orders.states.CartNoticeCode",
        "MovementKindEnum": "catalog.states.MovementKind",
        "MessageStatusEnum": "notifications.states.MessageStatus",
        "UploadKindEnum": "uploads.states.Kind",
        "UploadFormatEnum": "uploads.states.Format",
        "UploadModeEnum": "uploads.states.Mode",
        "UploadPhaseEnum": "uploads.states.Phase",
        "UploadStatusEnum": "uploads.states.UploadStatus",
        "UploadOutcomeEnum": "uploads.states.Outcome",
    },
}
