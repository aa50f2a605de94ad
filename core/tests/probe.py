"""What only tests have: views that go wrong on demand, and tasks.

`@pytest.mark.urls("core.tests.probe")` puts the views beside the shop's own.
"""

import os
import threading
import time
from pathlib import Path

from django.core.exceptions import PermissionDenied
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django_tasks import task
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter

from core.api.serializers import InputSerializer, MoneyField
from core.api.views import ResourceViewSet
from core.errors import FieldError, InvalidInput
from core.models import Worker
from core.permissions import signed_in

handler500 = "core.api.problems.server_error"
SECRET = "the-safe-opens-at-noon"


class LineInput(InputSerializer):
    sku = serializers.CharField(max_length=5)
    price = MoneyField()

    def validate(self, attrs):
        if attrs["sku"] == "never":
            raise serializers.ValidationError("Not this one.", code="never")
        return attrs


class FormInput(InputSerializer):
    message = serializers.CharField(max_length=10)
    code = serializers.CharField(max_length=3, required=False)
    lines = LineInput(many=True, required=False, max_length=3)
    words = serializers.ListField(child=serializers.CharField(max_length=3), required=False)
    matrix = serializers.ListField(
        child=serializers.ListField(child=serializers.IntegerField()), required=False
    )
    extra = serializers.DictField(child=serializers.IntegerField(), required=False)

    ignored = ("id",)

    def validate(self, attrs):
        if attrs["message"] == "both":
            raise serializers.ValidationError("One or the other.", code="both")
        return attrs


class WorkerSerializer(serializers.ModelSerializer):
    class Meta:
        model = Worker
        fields = ("id", "seen_at")


class WorkerViewSet(ResourceViewSet):
    """With the base's defaults wherever it has one."""

    queryset = Worker.objects.all()
    serializer_class = WorkerSerializer
    inputs = {"create": FormInput, "partial_update": FormInput}
    permitted = {"*": signed_in}

    # What `create` does when it is told so; set by tests.
    gate = threading.Event()
    entered = threading.Semaphore(0)

    def create(self, request):
        form = self.input()
        match form["message"]:
            case "crash":
                Worker.objects.create(id="effect")
                raise RuntimeError(SECRET)
            case "refuse":
                Worker.objects.create(id="effect")
                detail = "Refused."
                raise InvalidInput(
                    detail, errors=[FieldError(path=("a/b", 0, "c~d"), code="no", detail=detail)]
                )
            case "quiet 400":
                Worker.objects.create(id="effect")
                return Response({"quiet": True}, status=400)
            case "quiet 503":
                Worker.objects.create(id="effect")
                return Response({"quiet": True}, status=503)
            case "wait":
                Worker.objects.create(id="effect")
                self.entered.release()
                assert self.gate.wait(90)
            case "once":
                worker = Worker.objects.create(id="once")
                return self.created_once(worker.pk, secret=SECRET)
        return self.created(Worker.objects.create(id=form["message"]).pk)

    def partial_update(self, request, pk):
        self.input()
        return self.change_locked(lambda worker: worker.save())

    def destroy(self, request, pk):
        return self.delete_locked(lambda worker: worker.delete())

    @action(detail=False)
    def crash(self, request):
        raise RuntimeError(SECRET)

    @action(detail=False)
    def closed(self, request):
        raise PermissionDenied("The shop is closed on Sundays.")

    @action(detail=False)
    def locked(self, request):
        raise PermissionDenied


def crash(request: HttpRequest) -> HttpResponse:
    raise RuntimeError(SECRET)


def who(request: HttpRequest) -> HttpResponse:
    """Says what a view gets to see of a request."""
    return HttpResponse(f"{request.encoding} {request.GET.get('q')} {sorted(request.COOKIES)}")


router = SimpleRouter()
router.register("workers", WorkerViewSet, basename="worker")
urlpatterns = [
    path("", include("config.urls")),
    path("api/v1/", include(router.urls)),
    path("api/crash", crash),
    path("crash", crash),
    path("who", who),
]


@task()
def note(folder: str, text: str = "done") -> str:
    """Append a line to a file of the folder, which another process reads."""
    with (Path(folder) / "notes").open("a") as notes:
        notes.write(f"{os.getpid()} {text}\n")
    return text


@task()
def hang_once(folder: str) -> None:
    """Hang the first time, as a task of a worker that is then killed; end at once after that."""
    first = not (Path(folder) / "notes").exists()
    note.func(folder, "began")
    if first:
        time.sleep(60)


@task()
def lose_connection_once(folder: str) -> None:
    """Ask for something over a connection that the server has ended, the first time."""
    first = not (Path(folder) / "notes").exists()
    note.func(folder, "began")
    if first:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")


@task()
def wait_for_file(folder: str) -> None:
    note.func(folder, "began")
    deadline = time.monotonic() + 20
    while not (Path(folder) / "go").exists() and time.monotonic() < deadline:
        time.sleep(0.02)


@task()
def fail() -> None:
    raise ValueError("no good")
