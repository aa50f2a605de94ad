"""Which jobs a list shows."""

from datetime import date

import pytest

from core.tests.rest import parameters

from .factories import JobFactory, SourceFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def jobs(db):
    """Six jobs, by their numbers."""
    JobFactory.create(key=1)
    JobFactory.create(
        key=2,
        statuses=("NEW",),
        firstname="Ann Mary",
        lastname="van Dyke",
        mobile="0722 000 001",
        postcode="00100",
        product_sku="SC-9",
        product_type="Spider catcher",
        job_date=date(2022, 3, 22),
    )
    JobFactory.create(
        key=3,
        source=SourceFactory.create(name="bikes"),
        statuses=("NEW", "OPENED", "JOB COMPLETED"),
        firstname="Johnny",
        lastname="Smithers",
        mobile="+254 722 000 001",
        postcode="sg13 8aa",
        product_sku="BIKE",
        product_type="bicycle 100%",
        job_date=date(2022, 3, 23),
        phone="",
        phone_error="Too short.",
    )
    JobFactory.create(
        key=4,
        statuses=("CLOSED",),
        firstname="",
        lastname="",
        mobile="",
        postcode="",
        product_sku="",
        product_type="",
        baseline=True,
        phone_error="Too short.",
        phone="",
    )
    JobFactory.create(key=5, statuses=("NEW", "CANCELLED"), lastname="O_Hara", conflict="CLOSED")


def numbers(api, query):
    response = api.get(f"/repairs/?ordering=job_date&{query}")
    assert response.status_code == 200, response.content
    counted = api.get(f"/repairs/counts/?{query}").json()
    found = sorted(int(each["job_id"]) for each in response.json()["results"])
    assert counted["total"] == len(found)
    return found


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", [1, 2, 3, 4, 5]),
        ("status=OPENED", [1]),
        ("status=new", [2]),
        ("status=Job+completed", [3]),
        ("status=JOB_COMPLETED", [3]),
        ("status=", [1, 2, 3, 4, 5]),
        ("source=workshop", [1, 2, 4, 5]),
        ("source=bikes", [3]),
        ("source=others", []),
        # By name: either one first, in any case, the last word may be cut short.
        ("client=smith", [1, 3]),
        ("client=SMITH+JOHN", [1]),
        ("client=Smith+Jo+", [1]),
        ("client=John+Smith", [1]),
        ("client=++john+++smi", [1]),
        ("client=johnny+smith", [3]),
        ("client=john", [1, 3, 5]),
        ("client=ann+mary+van+d", [2]),
        ("client=van+dyke+ann", [2]),
        ("client=mary", [2]),
        ("client=hn+smith", []),
        ("client=mith", []),
        ("client=_", []),
        ("client=%25", []),
        ("client=O_H", [5]),
        # By phone: its last nine digits.
        ("client=%2B447770123456", [1, 5]),
        ("client=07770+123-456", [1, 5]),
        ("client=(0722)+000+001", [2, 3]),
        ("client=123456", []),
        ("client=%2B", []),
        ("date=2022-03-22", [2]),
        ("date_after=2022-03-22", [2, 3]),
        ("date_before=2022-03-22", [1, 4, 5]),
        ("date_after=2022-03-22&date_before=2022-03-23", [2]),
        ("product=SC-9", [2]),
        ("product=sc-9", []),
        ("product=SPIDER+CATCHER", [1, 2, 5]),
        ("product=spider", []),
        ("product=bicycle+100%25", [3]),
        ("product=123", [1, 5]),
        ("postcode=SG13", [1, 3, 5]),
        ("postcode=s+g137tz", [1, 5]),
        ("postcode=7TZ", []),
        ("postcode=%25", []),
        ("attention=true", [3, 5]),
        ("attention=false", [1, 2, 4]),
        ("baseline=true", [4]),
        ("baseline=false", [1, 2, 3, 5]),
        ("attention=true&source=bikes&status=job+completed&client=smithers", [3]),
    ],
)
def test_a_filter_leaves_those_that_are_meant(api, jobs, query, found):
    assert numbers(api, query) == found


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("status=lost", ["status"]),
        ("status=NEW,OPENED", ["status"]),
        ("date=21.3.2022", ["date"]),
        ("date_after=yesterday&date_before=2022-02-30", ["date_after", "date_before"]),
        ("attention=maybe", ["attention"]),
        ("baseline=1", ["baseline"]),
        ("client=" + "x" * 101, ["client"]),
        ("client=%00", ["client"]),
        ("job_status=NEW", ["job_status"]),
        ("search=x", ["search"]),
    ],
)
def test_a_filter_that_is_unknown_or_wrong_is_a_400_that_names_it(api, jobs, query, names):
    for path in ("/repairs/", "/repairs/counts/"):
        assert [name for name, _ in parameters(api.get(f"{path}?{query}"))] == names
