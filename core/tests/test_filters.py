import pytest

from core.tests.rest import problem_of

pytestmark = [pytest.mark.django_db, pytest.mark.urls("core.tests.probe")]


def refused(api, path):
    response = api.get(path)
    assert response.status_code == 400
    body = problem_of(response)
    errors = body.pop("errors")
    assert body == {
        "title": "Bad Request",
        "detail": "The query has parameters that are unknown or wrong.",
        "code": "invalid_parameter",
    }
    assert {error["code"] for error in errors} == {"invalid"}
    return {error["parameter"]: error["detail"] for error in errors}


def test_an_unknown_parameter_is_refused_and_the_known_ones_are_named(api):
    known = (
        "Unknown parameter. Known: count, cursor, email, language, ordering, page_size, phone,"
        " search."
    )

    assert refused(api, "/customers/?colour=red&language=sw&a/b=1") == {
        "colour": known,
        "a/b": known,
    }
    assert refused(api, "/workers/?ordering=id&search=a&page_size=5") == {
        "ordering": "Unknown parameter. Known: count, cursor, page_size.",
        "search": "Unknown parameter. Known: count, cursor, page_size.",
    }


def test_all_wrong_values_are_named_at_once(api):
    assert refused(api, "/orders/?status=lost&placed_after=yesterday&customer=%00&x=1") == {
        "x": "Unknown parameter. Known: assigned_to, count, cursor, customer, ordering,"
        " page_size, placed_after, placed_before, reference, search, sku, status.",
        "customer": "Null characters are not allowed.",
        "status": "Select a valid choice. lost is not one of the available choices.",
        "placed_after": "Enter a valid date/time.",
    }


@pytest.mark.parametrize(
    "ordering", ["pk", "-pk", "id", "code", "--name", "name,created_at", "", "-"]
)
def test_an_unknown_ordering_is_refused_and_the_known_ones_are_named(api, ordering):
    assert refused(api, f"/customers/?ordering={ordering}") == {
        "ordering": "Cannot order by this. Choose from name, -name, created_at, -created_at."
    }


@pytest.mark.parametrize("when", ["2026-11-21T08:00:00%2B03:00", "2026-11-21T05:00:00Z"])
def test_a_time_is_read_in_its_own_zone(api, shop, model, when):
    number = api.post("/orders/", shop).json()["number"]
    model("orders.Order").objects.update(placed_at="2026-11-21T05:00:00Z")

    assert [
        each["number"] for each in api.get(f"/orders/?placed_after={when}").json()["results"]
    ] == [number]
    assert api.get(f"/orders/?placed_before={when}").json()["results"] == []


def test_all_words_of_a_search_must_be_found(api):
    for name in ("Green tea", "Black tea", "Green beans"):
        api.post("/products/", {"name": name, "sku": name[:3] + name[-3:], "price": "1.00"})

    def found(search):
        return [each["name"] for each in api.get(f"/products/?search={search}").json()["results"]]

    assert found("TEA green") == ["Green tea"]
    assert found("tea") == ["Black tea", "Green tea"]
    assert found("100%25") == []
    assert found("_") == []
