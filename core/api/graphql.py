"""`/graphql/`: by the same authentication, permissions and errors as REST."""

from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from graphene_django.views import GraphQLView
from graphql import GraphQLSyntaxError, parse
from rest_framework.decorators import api_view, permission_classes
from rest_framework.exceptions import ParseError
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request

# Names, brackets and the like of one query.
MAX_TOKENS = 1000


class _View(GraphQLView):
    """Its requests are DRF's: who asks is known, and the body is parsed."""

    def parse_body(self, request: Request) -> dict[str, Any]:
        if not isinstance(request.data, dict):
            raise ParseError("JSON parse error - a GraphQL request is an object.")
        try:
            # Before anything is looked at: thousands of aliases would keep a thread for long.
            query, *_ = self.get_graphql_params(request, request.data)
            parse(str(query), max_tokens=MAX_TOKENS)
        except GraphQLSyntaxError as error:
            if error.message.startswith("Syntax Error: Document contains more than"):
                raise ParseError(f"A query has at most {MAX_TOKENS} tokens.") from None
        return request.data


@extend_schema(exclude=True)  # it has a schema of its own
@api_view(["POST"])
@permission_classes([IsAuthenticated])
def graphql(request: Request) -> HttpResponse:
    """Answer one GraphQL request."""
    answer: HttpResponse = _View.as_view()(request)
    return answer
