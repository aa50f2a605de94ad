"""What `manage.py doctor` finds of clients' databases."""

from datetime import timedelta

import pytest
from django.utils import timezone

from core.tests.measured import found
from repairs.services import examine_sources

from .factories import SourceFactory

pytestmark = pytest.mark.django_db


def test_where_there_are_none_that_is_said():
    assert found(examine_sources) == [("ok", "None is used (REPAIR_SOURCES).")]


def test_each_source_says_how_it_does(settings):
    given = {"url": "sqlite://", "table": "Jobs", "columns": {}, "statuses": {}, "write_back": True}
    names = ["broken", "failing", "idle", "late", "new", "well"]
    settings.REPAIR_SOURCES = dict.fromkeys(names, given) | {
        "broken": given | {"url": "nothing://u:hidden@db/x"}
    }
    now = timezone.now()
    SourceFactory.create(name="failing", failures=3, error="Access denied.")
    SourceFactory.create(name="idle", active=False)
    SourceFactory.create(name="late", complete_at=now - timedelta(minutes=40))
    SourceFactory.create(name="well", complete_at=now)

    (level, broken), *rest = found(examine_sources)

    assert level == "problem"
    assert broken.startswith("broken: ")
    assert "hidden" not in broken
    assert rest == [
        ("problem", "failing has failed 3 times in a row: Access denied."),
        ("ok", "idle is not active: nobody collects from it."),
        ("warning", "late was last looked at 40 min ago."),
        ("warning", "new was never collected from."),
        ("ok", "well answers."),
    ]
