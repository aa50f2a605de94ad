"""What the OpenAPI document says of conversations beside what it says of all."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter

from core.api.openapi import AutoSchema

from .parsers import DocumentParser, LinesParser

HEX = {"type": "string", "pattern": "^[0-9a-fA-F]{24}$"}


class ConversationSchema(AutoSchema):
    def _docstring(self) -> tuple[str, str]:
        summary, rest = super()._docstring()
        # What is made of a name: `extended-client`.
        plain = summary.replace(" extended ", " ")
        return (summary if plain == summary else f"{plain[:-1]}, in Extended JSON."), rest

    def get_override_parameters(self) -> list[Any]:
        parameters = super().get_override_parameters()
        if "{id}" not in self.path:
            return parameters
        what = "Id of what it belongs to." if getattr(self.view, "nested", False) else "Its id."
        ident = OpenApiParameter("id", HEX, OpenApiParameter.PATH, description=what)
        return [*parameters, ident]

    def get_request_serializer(self) -> Any:
        serializer = super().get_request_serializer()
        if getattr(self.view, "action", None) != "bulk":
            return serializer
        return {
            DocumentParser.media_type: serializer(many=True),
            LinesParser.media_type: OpenApiTypes.STR,
        }

    def get_response_serializers(self) -> Any:
        serializers = super().get_response_serializers()
        action = getattr(self.view, "action", None)
        if action == "create" and getattr(self.view, "stores_once", False):
            return {201: serializers, 200: serializers}
        return serializers
