"""Who may do what at each of the repairs' addresses."""

import pytest
from django.urls import reverse

from accounts.tests.factories import StaffFactory, UserFactory
from core.tests.graph import Graph, verdict
from core.tests.rest import program_with
from core.tests.rights import Rights, pytest_generate_tests  # noqa: F401  asks of each route
from repairs.api.urls import urlpatterns
from repairs.models import Aside, Job, JobNote, Source
from repairs.permissions import (
    can_handle_repairs,
    can_manage_sources,
    can_see_repairs,
    can_see_sources,
)

from .factories import JobFactory, SourceFactory

VIEW, HANDLE, MANAGE = "repairs.view_job", "repairs.handle_job", "repairs.manage_sources"
SEE, SOURCES = {VIEW, HANDLE}, {VIEW, HANDLE, MANAGE}
DONE = {"job_status": "JOB COMPLETED"}
# (method, address) → (body, answer to those who may, the rights of which one is needed)
ROUTES = {
    ("GET", "repair-list"): (None, 200, SEE),
    ("GET", "repair-counts"): (None, 200, SEE),
    ("GET", "repair-detail"): (None, 200, SEE),
    ("GET", "repair-handling"): (None, 200, SEE),
    ("PATCH", "repair-detail"): (DONE, 200, {HANDLE}),
    ("POST", "repair-status"): (DONE, 200, {HANDLE}),
    ("POST", "repair-notes"): ({"text": "Hm."}, 201, {HANDLE}),
    ("POST", "repair-settle"): ({"keep": "ours"}, 200, {HANDLE}),
    ("GET", "repair-source-list"): (None, 200, SOURCES),
    ("GET", "repair-source-detail"): (None, 200, SOURCES),
    ("PATCH", "repair-source-detail"): ({"active": False}, 200, {MANAGE}),
    ("POST", "repair-source-test"): (None, 200, {MANAGE}),
    ("POST", "repair-source-collect"): (None, 202, {MANAGE}),
    ("GET", "repair-row-aside-list"): (None, 200, SOURCES),
    ("GET", "repair-row-aside-detail"): (None, 200, SOURCES),
}


def an_aside():
    return Aside.objects.create(
        source=SourceFactory.create(), key="x", reason="bad_key", detail="It is no number."
    )


MAKES = {
    "repair-settle": lambda: JobFactory.create(conflict="CLOSED", client_status="CLOSED").full_id,
    "repair": lambda: JobFactory.create().full_id,
    "repair-source": lambda: SourceFactory.create().name,
    "repair-row-aside": lambda: an_aside().pk,
}


@pytest.fixture
def call(api_as, settings, tmp_path):
    entry = {"table": "Jobs", "columns": {}, "statuses": {}, "write_back": True}
    # There is no such file: a test of it has something to find.
    settings.REPAIR_SOURCES = {"workshop": {"url": f"sqlite:///{tmp_path}/none.sqlite3", **entry}}

    def everything():
        return [list(model.objects.values()) for model in (Job, JobNote, Source, Aside)]

    def call(user, route):
        method, name = route
        make = MAKES.get(name) or MAKES[name.rpartition("-")[0]]
        args = [] if name.endswith(("-list", "-counts")) else [make()]
        before = everything()
        path = reverse(name, args=args).removeprefix("/api/v1")
        response = api_as(user)._call(method, path, ROUTES[route][0])
        if response.status_code in {401, 403}:
            assert everything() == before
        return response

    return call


class TestRights(Rights):
    ROUTES = ROUTES
    URLS = urlpatterns
    PREDICATES = [can_see_repairs, can_handle_repairs, can_see_sources, can_manage_sources]


@pytest.mark.django_db
def test_programs_handle_repairs_by_the_right_that_the_shopkeeper_gave_them(client):
    answers = {}
    for key, right in enumerate(("see_repairs", "handle_repairs", "see_orders"), start=1):
        JobFactory.create(key=key)
        headers = program_with(right).headers
        options = {"headers": headers, "content_type": "application/json"}
        answers[right] = [
            client.get("/api/v1/repairs/?count=true", headers=headers).status_code,
            client.post(f"/api/v1/repairs/{key}/status/", DONE, **options).status_code,
            client.get("/api/v1/repair-sources/", headers=headers).status_code,
            client.post("/api/v1/repair-sources/workshop/test/", **options).status_code,
        ]

    assert answers == {
        "see_repairs": [200, 403, 200, 403],
        "handle_repairs": [200, 200, 200, 403],
        "see_orders": [403, 403, 403, 403],
    }


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("who", "said"),
    [
        (lambda: None, ("not_authenticated", 401)),
        (UserFactory.create, ("permission_denied", 403)),
        (
            lambda: StaffFactory.create(permissions=["orders.view_order"]),
            ("permission_denied", 403),
        ),
    ],
)
def test_graphql_refuses_strangers_shoppers_and_other_staff(who, said):
    JobFactory.create(key=1)
    graph = Graph(who())

    for field in (
        "repairs(first: 1) { totalCount }",
        'repair(jobId: "1") { jobId }',
        "repairCounts { total }",
        "repairSources(first: 1) { totalCount }",
    ):
        assert verdict(graph.ask(f"{{ {field} }}")) == said
