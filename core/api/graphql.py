"""`/graphql/`: by the same authentication, permissions and errors as REST."""

from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from graphene_django.views import GraphQLView
from rest_framework.decorators import api_view, permission_classes
from rest_framework.exceptions import ParseError
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request


class _View(GraphQLView):
    """Its requests are DRF's: who asks is known, and the body is parsed."""

    def parse_body(self, request: Request) -> dict[str, Any]:
        if not isinstance(request.data, dict):
            raise ParseError("JSON parse error - a GraphQL request is an object.")
        return request.data


@extend_schema(exclude=True)  # it has a schema of its own
@api_view(["POST"])
@permission_classes([IsAuthenticated])
def graphql(request: Request) -> HttpResponse:
    """Answer one GraphQL request."""
    answer: HttpResponse = _View.as_view()(request)
    return answer
