"""REST of accounts."""

from typing import cast

from drf_spectacular.utils import extend_schema
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import User

from .serializers import MeSerializer


class MeView(APIView):
    permission_classes = (IsAuthenticated,)

    @extend_schema(operation_id="me", summary="Who I am.", responses=MeSerializer, tags=["me"])
    def get(self, request: Request) -> Response:
        """What the shop knows of the caller, whichever way they signed in."""
        return Response(MeSerializer(cast("User", request.user)).data)
