"""The cache is a table that all processes share."""

import pytest
from django.conf import settings
from django.core.cache import cache
from django.db import connection

from core.tests.races import at_once


@pytest.mark.django_db
def test_it_keeps_what_it_is_given_in_the_database():
    cache.set("code", {"user": 1}, 60)

    assert settings.CACHES["default"]["BACKEND"] == "django.core.cache.backends.db.DatabaseCache"
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM core_cache WHERE cache_key LIKE %s", ["%code"])
        assert cursor.fetchone() == (1,)
    assert cache.get("code") == {"user": 1}


@pytest.mark.django_db
def test_what_is_over_is_gone():
    cache.set("code", 1, 60)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE core_cache SET expires = now() - interval '1 second'")

    assert cache.get("code") is None
    assert cache.add("code", 2, 60)


@pytest.mark.django_db(transaction=True)
def test_of_many_who_add_one_key_at_once_one_does():
    try:
        outcomes = at_once([lambda: cache.add("used-once", 1, 60) for _ in range(8)])
    finally:
        cache.delete("used-once")

    assert sorted(outcomes) == [False] * 7 + [True]
