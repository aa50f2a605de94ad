"""A cache in Redis takes from nobody but the shop."""

import os
import pickle

import pytest
import redis
from django.core.cache.backends.redis import RedisCache

from core.signed_cache import SignedSerializer


class Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.fixture
def url(brokers):
    return brokers.get("redis").server.url


@pytest.fixture
def cache(url):
    made = RedisCache(url, {"OPTIONS": {"serializer": "core.signed_cache.SignedSerializer"}})
    yield made
    made.clear()
    made.close()


@pytest.mark.parametrize(
    "value", [7, -1, True, 1.5, "text", b"12", None, {"a": (1, {2})}, [1, [2.5]]], ids=repr
)
def test_what_is_kept_comes_back_as_it_was(cache, value):
    cache.set("key", value)

    assert (cache.get("key", "missing"), type(cache.get("key"))) == (value, type(value))
    assert cache.get("other", "missing") == "missing"
    assert cache.add("key", "another") is False


def test_whole_numbers_are_counted_up(cache):
    cache.set("many", 41)

    assert (cache.incr("many"), cache.get("many")) == (42, 42)


def test_what_somebody_else_has_written_is_nothing_and_runs_nothing(cache, url, tmp_path, caplog):
    cache.set("ours", "fine")
    with redis.Redis.from_url(url) as there:
        signed = there.get(cache.make_key("ours"))
        evil = pickle.dumps(Evil(str(tmp_path / "was here")))
        for forged in (evil, b"", b"short", b"x" * 32 + evil, signed[:32] + evil, signed[:-1]):
            there.set(cache.make_key("forged"), forged)
            assert cache.get("forged") is None

    assert not list(tmp_path.iterdir())
    assert cache.get("ours") == "fine"
    assert {record.getMessage() for record in caplog.records} == {
        "a value in the cache is not the shop's, and was left alone"
    }


def test_values_of_the_key_before_are_read_on(settings):
    settings.SECRET_KEY = "the one before"
    kept = SignedSerializer().dumps("kept")
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "the new one", ["the one before"]
    assert SignedSerializer().loads(kept) == "kept"
    settings.SECRET_KEY_FALLBACKS = []
    assert SignedSerializer().loads(kept) is None
