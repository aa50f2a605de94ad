"""The text of documents taken apart and put together again."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from bson import json_util
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from conversations.documents import (
    OPTIONS,
    RawJson,
    date,
    document_of,
    extended,
    extended_client,
    extended_engagement,
    indexable,
    legacy_date,
    members_of,
    object_id,
    read_hex,
    with_id,
    with_members,
    without_line_breaks,
)
from conversations.exceptions import BadDocument
from tests.fuzz import fuzzing

ID = "5f18d12f42262eec0d43567d"

spaces = st.text(" \t\r\n", max_size=3)
# Half characters may stand in JSON where they are escaped; in its text they may not.
letters = st.characters(exclude_categories=["Cs"])


@st.composite
def strings(draw):
    """JSON of a string: its characters as they are, or escaped in one of the ways there are."""
    pieces = draw(
        st.lists(
            st.one_of(
                letters.filter(lambda each: each not in '"\\' and each >= " "),
                st.sampled_from([r"\"", r"\\", r"\/", r"\b", r"\f", r"\n", r"\r", r"\t"]),
                st.integers(0, 0xFFFF).map("\\u{:04x}".format),
                st.integers(0, 0xFFFF).map("\\u{:04X}".format),
                st.sampled_from([r"\u0000", r"\\u0000", r"\ud83d\ude00", r"\uD800", r"\\ud800"]),
            ),
            max_size=6,
        )
    )
    return '"' + "".join(pieces) + '"'


numbers = st.one_of(
    st.integers().map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.sampled_from(["1E-1000", "1e+0005", "-0", "-0.0e0", "1e1000", "9" * 4000, "1.50"]),
)


@st.composite
def objects(draw, values, names=None):
    names = draw(st.lists(strings(), max_size=4) if names is None else names)
    inner = ",".join(
        f"{draw(spaces)}{name}{draw(spaces)}:{draw(spaces)}{draw(values)}{draw(spaces)}"
        for name in names
    )
    return "{" + (inner or draw(spaces)) + "}"


@st.composite
def arrays(draw, values):
    inner = ",".join(
        f"{draw(spaces)}{draw(values)}{draw(spaces)}" for _ in range(draw(st.integers(0, 3)))
    )
    return "[" + (inner or draw(spaces)) + "]"


json_values = st.recursive(
    st.one_of(strings(), numbers, st.sampled_from(["true", "false", "null"])),
    lambda inner: st.one_of(arrays(inner), objects(inner)),
    max_leaves=8,
)
unlike = st.lists(strings(), max_size=4, unique_by=json.loads)
documents = st.builds(
    lambda before, text, behind: before + text + behind,
    spaces,
    objects(json_values, unlike),
    spaces,
)


@fuzzing(examples=80)
@given(documents)
def test_an_object_is_taken_apart_as_python_reads_it(text):
    members = members_of(text)

    assert [(each.name, each.value) for each in members] == list(json.loads(text).items())
    for each in members:
        assert json.loads(text[each.value_begins : each.ends]) == each.value
        assert json.loads("{" + text[each.begins : each.ends] + "}") == {each.name: each.value}


@fuzzing(examples=80)
@given(st.data(), documents)
def test_only_the_members_that_are_named_change(data, text):
    old = members_of(text)
    names = [each.name for each in old] + ["new", 'with "quotes"\n', "é"]
    changes = data.draw(
        st.dictionaries(st.sampled_from(names), st.one_of(st.none(), json_values), max_size=4)
    )
    expected = json.loads(text)
    for name, value in changes.items():
        if value is None:
            expected.pop(name, None)
        else:
            expected[name] = json.loads(value)

    changed = with_members(text, changes)

    assert list(json.loads(changed).items()) == list(expected.items())
    assert with_members(text, changes, old) == changed
    new = {each.name: changed[each.begins : each.ends] for each in members_of(changed)}
    for each in old:
        if each.name not in changes:
            assert new[each.name] == text[each.begins : each.ends]
    if not changes.keys() & {each.name for each in old} and set(changes.values()) <= {None}:
        assert changed == text


def test_commas_and_spaces_stay_with_the_members_before_them():
    text = ' { "a" : 1.50 , "b":2,\n"c": [ 1 ] } '

    assert with_members(text, {"b": "null"}) == ' { "a" : 1.50 , "b":null,\n"c": [ 1 ] } '
    assert with_members(text, {"b": None}) == ' { "a" : 1.50 , "c": [ 1 ] } '
    assert with_members(text, {"a": None}) == ' { "b":2,\n"c": [ 1 ] } '
    assert with_members(text, {"c": None}) == ' { "a" : 1.50 , "b":2 } '
    assert with_members(text, {"b": None, "c": None, "d": "4"}) == ' { "a" : 1.50,"d":4 } '
    assert with_members(text, {"c": None, "a": None, "b": None}) == " {  } "
    assert with_members("{ }", {"a": "1", "b": None, "c": "3"}) == '{"a":1,"c":3 }'
    assert with_members(text, {}) == text


def test_a_member_is_found_by_its_name_however_it_is_escaped():
    assert with_members('{"\\u0061":1}', {"a": "2"}) == '{"\\u0061":2}'


@fuzzing(examples=40)
@given(documents)
def test_an_id_comes_in_front_and_goes_again(text):
    names = {each.name for each in members_of(text)}
    if "_id" in names:
        return

    whole = with_id(text, ID)

    assert next(iter(json.loads(whole).items())) == ("_id", {"$oid": ID})
    assert json.loads(with_members(whole, {"_id": None})) == json.loads(text)
    assert whole.endswith(text[text.index("{") + 1 :])


@fuzzing(examples=60)
@given(documents, *[st.text(letters, max_size=5)] * 3)
def test_own_members_stand_behind_and_leave_no_trace(text, source_id, customer, order):
    names = {each.name for each in members_of(text)}
    if names & {"_id", "sourceId", "customer", "order"}:
        return
    document = with_id(text, ID)

    shown = extended(document, source_id=source_id, customer=customer, order=order)

    own = {"sourceId": source_id, "customer": customer, "order": order}
    expected = json.loads(document) | {name: value for name, value in own.items() if value}
    assert list(json.loads(shown).items()) == list(expected.items())
    assert with_members(shown, dict.fromkeys(own)) == document


@pytest.mark.django_db
@fuzzing(examples=80)
@given(json_values)
def test_what_is_to_be_indexed_is_taken_by_postgresql(text):
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s::jsonb::text", [indexable(text)])
        (stored,) = cursor.fetchone()

    assert _like_jsonb(json.loads(stored)) == _like_jsonb(json.loads(text))


def _like_jsonb(value):
    """Return a value as JSONB tells it: no NUL, no half characters, numbers of any length."""
    if isinstance(value, str):
        return "".join("�" if c == "\0" or 0xD800 <= ord(c) <= 0xDFFF else c for c in value)
    if isinstance(value, list):
        return [_like_jsonb(each) for each in value]
    if isinstance(value, dict):
        return {_like_jsonb(name): _like_jsonb(each) for name, each in value.items()}
    return float(value) if isinstance(value, int | float) and abs(value) < 1e300 else value is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r'"\u0000"', r'"\ufffd"'),
        (r'"\\u0000"', r'"\\u0000"'),
        (r'"\\\u0000"', r'"\\\ufffd"'),
        (r'"\ud800"', r'"\ufffd"'),
        (r'"\uDFFF\ud83d\ude00\uD83D"', r'"\ufffd\ud83d\ude00\ufffd"'),
        (r'"\ud83d\ud83d\ude00"', r'"\ufffd\ud83d\ude00"'),
        (r'"\ud83d\\ude00"', r'"\ufffd\\ude00"'),
        ('{"\\u0000": "é"}', '{"\\ufffd": "é"}'),
    ],
)
def test_nul_and_half_characters_become_the_replacement_character(text, expected):
    assert indexable(text) == expected


def refusal(text):
    with pytest.raises(BadDocument) as caught:
        members_of(text)
    return caught.value


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("", "It is not JSON: Expecting value: line 1 column 1 (char 0)."),
        ("\ufeff{}", "It is not JSON: Expecting value: line 1 column 1 (char 0)."),
        ("[1]", "It is not an object."),
        ("null", "It is not an object."),
        ("{", "It is not JSON: Expecting a name in double quotes: line 1 column 2 (char 1)."),
        (
            '{"a":1,}',
            "It is not JSON: Expecting a name in double quotes: line 1 column 8 (char 7).",
        ),
        ('{"a" 1}', "It is not JSON: Expecting ':': line 1 column 6 (char 5)."),
        ('{"\\u0061" 1}', "It is not JSON: Expecting ':': line 1 column 11 (char 10)."),
        ('{"a":}', "It is not JSON: Expecting value: line 1 column 6 (char 5)."),
        ('{"a":1 "b":2}', "It is not JSON: Expecting ',' or '}': line 1 column 8 (char 7)."),
        ('{"a":1} x', "It is not JSON: Extra data: line 1 column 9 (char 8)."),
        ('{"a\n":1}', "It is not JSON: Invalid control character at: line 1 column 4 (char 3)."),
        ('{"a":"\x00"}', "It is not JSON: Invalid control character at: line 1 column 7 (char 6)."),
        ('{"a":NaN}', "NaN is no number in JSON."),
        ('{"a":[-Infinity]}', "-Infinity is no number in JSON."),
        ('{"a":' + "9" * 4301 + "}", "A number in it is too large."),
        ('{"a":0.' + "9" * 5000 + "}", "A number in it is too large."),
        ('{"a":1e1001}', "A number in it is too large."),
        ('{"a":1E-1001}', "A number in it is too large."),
        ('{"a":1e' + "9" * 5000 + "}", "A number in it is too large."),
        ('{"a":[' + "1e1000," * 20_000 + "1]}", "It has too many large numbers."),
        ('{"a":"\ud800"}', "It is not Unicode: it has half a surrogate pair."),
    ],
)
def test_what_cannot_be_kept_is_told(text, detail):
    assert refusal(text).detail == detail


def test_large_numbers_in_a_text_are_no_numbers():
    assert len(members_of('{"a":"' + "3e999f" * 30_000 + '"}')) == 1


@pytest.mark.parametrize("text", ['{"a":1,"a":2}', '{"a":1,"\\u0061":2}'])
def test_a_member_is_there_once_however_its_name_is_escaped(text):
    (error,) = refusal(text).errors

    assert (error.path, error.code) == (("a",), "duplicate_key")


def test_a_name_in_an_error_is_short_and_text():
    (error,) = refusal(
        '{"\\u0000\\ud800' + "n" * 200 + '":1,"\\u0000\\ud800' + "n" * 200 + '":1}'
    ).errors

    assert error.path == ("?" + "n" * 99,)


@pytest.mark.parametrize("levels", [100, 101, 1000, 100_000])
def test_there_are_100_levels_at_most_and_the_document_is_the_first(levels):
    inner = levels - 1
    for text in (
        '{"a":' + "[" * inner + "]" * inner + "}",
        '{"a":' * levels + "1" + "}" * levels,
    ):
        if levels == 100:
            assert members_of(text)[0].name == "a"
        else:
            assert refusal(text).detail == "It is nested more than 100 levels deep."


def test_a_flat_document_with_many_brackets_is_not_deep():
    assert members_of('{"a":[' + "[]," * 200 + '"[[[["]}')[0].name == "a"


def test_a_hundred_levels_fit_in_a_call_that_is_deep_itself():
    text = '{"a":' + "[" * 99 + "]" * 99 + "}"

    def at_depth(depth):
        return at_depth(depth - 1) if depth else len(members_of(text))

    assert at_depth(300) == 1


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"$date": 1589630400000}, datetime(2020, 5, 16, 12, 0, tzinfo=UTC)),
        ({"$date": -1}, datetime(1969, 12, 31, 23, 59, 59, 999000, tzinfo=UTC)),
        ({"$date": -62135424000000}, datetime(1, 1, 3, tzinfo=UTC)),
        ({"$date": 253402127999999}, datetime(9999, 12, 29, 23, 59, 59, 999000, tzinfo=UTC)),
        ({"$date": {"$numberLong": "-5"}}, datetime(1969, 12, 31, 23, 59, 59, 995000, tzinfo=UTC)),
        ({"$date": "2020-05-16T12:00:00Z"}, datetime(2020, 5, 16, 12, 0, tzinfo=UTC)),
        ({"$date": "2020-05-16T12:00"}, datetime(2020, 5, 16, 12, 0, tzinfo=UTC)),
        ({"$date": "2020-05-16T15:00:00.5+0300"}, datetime(2020, 5, 16, 12, 0, 0, 500000, UTC)),
        ({"$date": "2020-05-16T12:00:00.123999Z"}, datetime(2020, 5, 16, 12, 0, 0, 123000, UTC)),
    ],
)
def test_a_date_is_read_in_every_mode(value, expected):
    assert date(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        *(None, 5, "2020-05-16", [], {}, {"$date": 1, "x": 1}, {"$oid": "x"}, {"$numberLong": "1"}),
        *(
            {"$date": inner}
            for inner in (
                *(True, 1.0, None, [], {}, "", "garbage", "2020-05-16", "٢٠٢٠-05-16T12:00:00Z"),
                *("2020-02-30T12:00:00Z", "2020-05-16T25:00:00Z", "0001-01-01T00:00:00+03:00"),
                *(253402128000000, -62135424000001, 253402300800000, -62135596800001, 10**400),
                *({"$numberLong": "abc"}, {"$numberLong": 5}, {"$numberLong": "9" * 19}),
                *({"$numberLong": "٥"}, {"$numberLong": "1", "x": 1}, {"$numberLong": "9" * 5000}),
            )
        ),
    ],
)
def test_what_is_no_date_is_told(value):
    with pytest.raises(ValueError, match="It must be a date"):
        date(value)


@fuzzing(examples=60)
@given(st.datetimes(min_value=datetime(1, 1, 3), max_value=datetime(9999, 12, 29)))
def test_a_date_is_written_as_the_bson_library_does(moment):
    moment = moment.replace(tzinfo=UTC)
    moment -= timedelta(microseconds=moment.microsecond % 1000)

    written = legacy_date(moment)

    assert json.loads(written) == json.loads(json_util.dumps(moment, json_options=OPTIONS))
    assert date(json.loads(written)) == moment


@pytest.mark.parametrize(
    "value",
    [None, ID, {"$oid": 5}, {"$oid": "x" * 24}, {"$oid": ID + "0"}, {"$oid": ID, "x": 1}, [ID]],
)
def test_what_is_no_object_id_is_told(value):
    with pytest.raises(ValueError, match="It must be an ObjectId: "):
        object_id(value)


def test_an_object_id_is_read_in_small_letters():
    assert object_id({"$oid": ID.upper()}) == ID
    with pytest.raises(ValueError, match="24 hex digits"):
        read_hex(f"{ID}\n")


def test_a_document_of_our_own_has_the_members_in_mongodbs_order():
    text = document_of(
        engagement_id=ID,
        interaction_date=datetime(2020, 5, 16, 12, 0, tzinfo=UTC),
        agent_name='Zoë "Z"',
        custom='{"b": 1, "a": 2}',
    )

    assert text == (
        f'{{"engagementId":{{"$oid":"{ID}"}},"interactionDate":{{"$date":1589630400000}},'
        '"agentName":"Zoë \\"Z\\"","sentiment":"","custom":{"b": 1, "a": 2}}'
    )


def test_clients_and_engagements_are_written_in_one_line():
    assert extended_client(ident=ID, name="Café", nick_name="c") == RawJson(
        f'{{"_id":{{"$oid":"{ID}"}},"name":"Café","nickName":"c"}}'
    )
    assert extended_engagement(ident=ID, client_id=ID, name="SMS") == RawJson(
        f'{{"_id":{{"$oid":"{ID}"}},"clientId":{{"$oid":"{ID}"}},"name":"SMS"}}'
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [('{"a":1}', '{"a":1}'), ('{\r\n"a":\n"\\n"}', '{  "a": "\\n"}')],
)
def test_a_document_goes_into_one_line(text, expected):
    assert without_line_breaks(text) == expected
