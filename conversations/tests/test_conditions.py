"""Conditions on the custom document: how they are read, and what fulfils them."""

from typing import Any

import pytest

from conversations.exceptions import BadFilter
from conversations.models import Interaction
from conversations.services.conditions import (
    Condition,
    path_of,
    read_condition,
    values_of,
)
from conversations.services.finding import fulfilling

from .factories import EngagementFactory, make_interaction


@pytest.mark.parametrize(
    ("parameter", "value", "jsonpath"),
    [
        ("custom.csvName", "a.csv", '$."csvName" ? (@ == "a.csv")'),
        ("custom.a.b[eq]", "", '$."a"."b" ? (@ == "")'),
        ("custom.score", "5", '$."score" ? (@ == 5 || @ == "5")'),
        ("custom.score", "-1.50e+3", '$."score" ? (@ == -1.50e+3 || @ == "-1.50e+3")'),
        ("custom.score", '"5"', '$."score" ? (@ == "5")'),
        ("custom.score", "05", '$."score" ? (@ == "05")'),
        ("custom.score", "٥", '$."score" ? (@ == "٥")'),
        ("custom.score", "1e1000", '$."score" ? (@ == 1e1000 || @ == "1e1000")'),
        ("custom.score", "1e1001", '$."score" ? (@ == "1e1001")'),
        ("custom.score", "-1e-1001", '$."score" ? (@ == "-1e-1001")'),
        ("custom.score", "5\n", '$."score" ? (@ == "5\\n")'),
        ("custom.ok", "true", '$."ok" ? (@ == true || @ == "true")'),
        ("custom.ok", "null", '$."ok" ? (@ == null || @ == "null")'),
        ("custom.ok", "True", '$."ok" ? (@ == "True")'),
        ("custom.$where", "1", '$."$where" ? (@ == 1 || @ == "1")'),
        ('custom."a.b".c', "x", '$."a.b"."c" ? (@ == "x")'),
        ('custom."".c', "x", '$.""."c" ? (@ == "x")'),
        ('custom."a>=!<"', "x", '$."a>=!<" ? (@ == "x")'),
        ('custom."[gte]"[gte]', "x", '$."[gte]" ? (@ >= "x")'),
        ('custom."\\u0061\\""', "x", '$."a\\"" ? (@ == "x")'),
        ('custom.a"b', 'x"y\\', '$."a\\"b" ? (@ == "x\\"y\\\\")'),
        ("custom.when.$date[gte]", "1589630400000", '$."when"."$date" ? (@ >= 1589630400000)'),
        ("custom.day[lt]", "2020-05-16", '$."day" ? (@ < "2020-05-16")'),
        ("custom.day[gt]", "true", '$."day" ? (@ > "true")'),
        ("custom.day[lte]", '"5"', '$."day" ? (@ <= "5")'),
        ("custom.x[in]", "a,5,,5", '$."x" ? (@ == "a" || @ == 5 || @ == "5" || @ == "")'),
        ("custom.x[in]", '"a,b",c', '$."x" ? (@ == "a,b" || @ == "c")'),
    ],
)
def test_condition_is_one_jsonpath(parameter: str, value: str, jsonpath: str):
    assert read_condition(parameter, value).jsonpath == jsonpath


@pytest.mark.parametrize(
    ("parameter", "value", "condition"),
    [
        ("custom.a", "x", Condition('$."a" ? (@ == "x")', indexed=True)),
        ("custom.a[in]", "x", Condition('$."a" ? (@ == "x")', indexed=True)),
        ("custom.a[ne]", "x", Condition('$."a" ? (@ == "x")', negated=True)),
        ("custom.a[gt]", "x", Condition('$."a" ? (@ > "x")')),
        ("custom.a[exists]", "true", Condition('$."a"')),
        ("custom.a[exists]", "false", Condition('$."a"', negated=True)),
    ],
)
def test_only_equality_is_left_to_the_index(parameter: str, value: str, condition: Condition):
    assert read_condition(parameter, value) == condition


_NAMES = (
    "A name in the path is empty or holds a control character; in double quotes it may have any "
    "characters of a JSON string."
)
_SHAPE = (
    "It is custom.name.name or custom.name[operator]; a name with dots, brackets or quotes stands "
    "in double quotes."
)
_SIGNS = (
    "Compare with [gt], [gte], [lt], [lte] or [ne]: custom.score[gte]=5. A name with <, >, = or ! "
    "stands in double quotes."
)
_OPERATORS = "There is no such operator. Known: eq, ne, gt, gte, lt, lte, in, exists."
_STRING = "What begins with a double quote must be a JSON string."
_HALF = "A text holds no NUL and no half of a surrogate pair."


@pytest.mark.parametrize(
    ("parameter", "value", "detail"),
    [
        ("custom.", "x", _NAMES),
        ("custom..a", "x", _NAMES),
        ("custom.a.", "x", _NAMES),
        ("custom.[gte]", "x", _NAMES),
        ("custom.a\x00b", "x", _SHAPE),
        ("custom.\x00", "x", _NAMES),
        ("custom.a\ud800", "x", _NAMES),
        ('custom."a', "x", _STRING),
        ('custom."a\\u0000"', "x", _HALF),
        ('custom."a\\ud800"', "x", _HALF),
        ('custom."a"b', "x", _SHAPE),
        ("custom.a[", "x", _SHAPE),
        ("custom.a]", "x", _SHAPE),
        ("custom.a[gt][lt]", "x", _SHAPE),
        ("custom.a[gt].b", "x", _SHAPE),
        ("custom.a[0].b", "x", _SHAPE),
        # What becomes of `custom.a>=5`, `custom.a<5`, `custom.a!=5`, `custom.a.b>5`.
        ("custom.a>", "5", _SIGNS),
        ("custom.a<5", "", _SIGNS),
        ("custom.a!", "5", _SIGNS),
        ("custom.a.b>5", "", _SIGNS),
        ("custom.a=b", "5", _SIGNS),
        ("custom.>", "5", _SIGNS),
        ('custom."a">', "5", _SIGNS),
        ("custom.a[gte]>", "5", _SHAPE),
        ("custom.a[]", "x", _OPERATORS),
        ("custom.a[like_regex]", "x", _OPERATORS),
        ("custom.a[GT]", "x", _OPERATORS),
        ("custom.a[exists]", "yes", "Must be true or false."),
        ("custom.a[exists]", "", "Must be true or false."),
        ("custom.a", '"', _STRING),
        ("custom.a", '"x" y', _STRING),
        ("custom.a", '"\\ud800"', _HALF),
        ("custom.a", "\ud800", "A value holds no NUL and no half of a surrogate pair."),
        ("custom.a", "\x00", "A value holds no NUL and no half of a surrogate pair."),
        (
            "custom.a[in]",
            '"x" y,z',
            "Behind a value in double quotes comes a comma or the end.",
        ),
        ("custom.a[in]", ",".join("x" * 51), "There may be 50 values at most."),
        ("custom.a[in]", "y," + "x" * 201, "A value may have 200 characters at most."),
        ("custom.a", "x" * 201, "A value may have 200 characters at most."),
        ("custom.a[gte]", "9" * 201, "A value may have 200 characters at most."),
        ("custom." + "x" * 65, "x", "A name in a path may have 64 characters at most."),
        ("custom" + ".x" * 9, "x", "A path may have 8 names at most."),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_reason(parameter: str, value: str, detail: str):
    with pytest.raises(BadFilter) as refused:
        read_condition(parameter, value)

    assert refused.value.detail == detail


def test_limits_are_reached_before_they_are_passed():
    parameter = "custom" + f".{'x' * 64}" * 8

    assert read_condition(parameter, "x" * 200).jsonpath == (
        "$" + f'."{"x" * 64}"' * 8 + f' ? (@ == "{"x" * 200}")'
    )
    many = read_condition("custom.a[in]", ",".join(map(str, range(50))))
    assert many.jsonpath.count("@ ==") == 100


def test_values_are_split_at_commas_outside_of_quotes():
    assert values_of('Chat,"Phone, at night",SMS') == ["Chat", "Phone, at night", "SMS"]


@pytest.mark.parametrize(
    "names",
    [
        ["a"],
        ["a", "0", "b"],
        ["a.b", 'c"d', "", "[e]", "f\n"],
        ["$date", "é 😀"],
        ["a>", "!=", "<b"],
    ],
)
def test_path_is_read_as_it_was_written(names: list[str]):
    path = "".join(f'."{name}"' for name in names).replace('c"d', 'c\\"d').replace("\n", "\\n")

    assert read_condition(f"custom.{path_of(names)}[exists]", "true").jsonpath == f"${path}"


DOCUMENTS = {
    "text": {"csvName": "a.csv", "score": "5", "log": [{"text": "hello"}, {"text": "bye"}]},
    "number": {"score": 5, "ok": True, "day": "2020-05-16", "tags": ["x", "y"]},
    "large": {"score": 50, "ok": None, "day": "2021-01-01", "when": {"$date": 1589630400000}},
    "odd": {"a.b": 1, "": 2, "$where": "1", "score": [[7]], 'q"': "\\"},
    "empty": {},
}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("parameter", "value", "found"),
    [
        ("custom.csvName", "a.csv", ["text"]),
        ("custom.csvname", "a.csv", []),
        ("custom.score", "5", ["number", "text"]),
        ("custom.score", "5.0", ["number"]),
        ("custom.score", '"5"', ["text"]),
        ("custom.score", "7", ["odd"]),
        ("custom.score[ne]", "5", ["empty", "large", "odd"]),
        ("custom.score[gt]", "5", ["large", "odd"]),
        ("custom.score[gte]", "5", ["large", "number", "odd"]),
        ("custom.score[lte]", "5", ["number"]),
        ("custom.score[gte]", '"4"', ["text"]),
        ("custom.score[in]", "50,7,x", ["large", "odd"]),
        ("custom.score[exists]", "true", ["large", "number", "odd", "text"]),
        ("custom.score[exists]", "false", ["empty"]),
        ("custom.ok", "true", ["number"]),
        ("custom.ok", "null", ["large"]),
        ("custom.ok[exists]", "true", ["large", "number"]),
        ("custom.day[lt]", "2020-12-31", ["number"]),
        ("custom.tags", "y", ["number"]),
        ("custom.tags[ne]", "y", ["empty", "large", "odd", "text"]),
        ("custom.log.text", "bye", ["text"]),
        ("custom.log.0.text", "hello", []),
        ("custom.when.$date[gte]", "1589630400000", ["large"]),
        ("custom.when.$date[gt]", "1589630400000", []),
        ('custom."a.b"', "1", ["odd"]),
        ('custom.""', "2", ["odd"]),
        ("custom.$where", "1", ["odd"]),
        ('custom.q"', "\\", ["odd"]),
    ],
)
def test_condition_finds_the_documents_that_fulfil_it(parameter: str, value: str, found: list[str]):
    engagement = EngagementFactory()
    for name, custom in DOCUMENTS.items():
        make_interaction(engagement, custom=custom, agent_name=name)

    kept = fulfilling(Interaction.objects.all(), [read_condition(parameter, value)])

    assert sorted(kept.values_list("agent_name", flat=True)) == found


@pytest.mark.django_db
def test_all_conditions_must_hold_and_filters_beside_them():
    one, other = EngagementFactory.create_batch(2)
    for engagement in (one, other):
        for score in (1, 2, 3):
            make_interaction(engagement, custom={"score": score, "kind": "call"})

    asked = [
        read_condition(parameter, value)
        for parameter, value in {
            "custom.kind": "call",
            "custom.score[gt]": "1",
            "custom.score[ne]": "3",
        }.items()
    ]
    kept = fulfilling(Interaction.objects.filter(engagement=other), asked)

    assert [(each.engagement_id, each.custom) for each in kept] == [
        (other.pk, '{"kind": "call", "score": 2}')
    ]


@pytest.mark.django_db
@pytest.mark.parametrize("most", [0, 2, 3])
def test_many_are_left_to_the_walk_and_few_picked_with_the_same_result(
    most: int, monkeypatch: Any, django_assert_num_queries: Any
):
    monkeypatch.setattr("conversations.services.finding.MOST_PICKED", most)
    found = [make_interaction(custom={"kind": "call"}).pk for _ in range(3)]
    make_interaction(custom={"kind": "mail"})

    # Beside what is found and the page: a savepoint, its end, the planner told and told back.
    with django_assert_num_queries(6):
        kept = fulfilling(Interaction.objects.all(), [read_condition("custom.kind", "call")])
        assert sorted(each.pk for each in kept) == sorted(found)
    assert ("IN (" in str(kept.query)) == (most == 3)


@pytest.mark.django_db
def test_nothing_is_asked_at_once_where_no_index_knows(django_assert_num_queries: Any):
    with django_assert_num_queries(0):
        fulfilling(Interaction.objects.all(), [read_condition("custom.score[gt]", "5")])
        fulfilling(Interaction.objects.all(), [])
