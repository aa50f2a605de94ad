"""Documents are parsed and validated once, known by their hash, and may be all that is answered."""

import json
from hashlib import sha256

import pytest
from django.core.management import CommandError, call_command
from graphql import parse, print_ast

from core.graphql import documents
from core.tests.graph import Graph

pytestmark = pytest.mark.django_db
SHOP = "{ shop { name } }"
UNKNOWN = {"message": "PersistedQueryNotFound", "extensions": {"code": "PERSISTED_QUERY_NOT_FOUND"}}
NOT_LISTED = {
    "message": "This shop answers only the documents of its own shop-fronts.",
    "extensions": {"code": "not_on_allow_list"},
}


@pytest.fixture(autouse=True)
def _nothing_is_known():
    documents.recent.clear()
    yield
    documents.recent.clear()


@pytest.fixture
def client():
    return Graph().client


@pytest.fixture
def work(monkeypatch):
    """Return what was done of parsing and validating."""
    done = []

    def watch(name):
        real = getattr(documents, name)

        def note(*args, **options):
            done.append(name)
            return real(*args, **options)

        monkeypatch.setattr(documents, name, note)

    watch("parse")
    watch("validate")
    return done


def digest(text):
    return sha256(text.encode()).hexdigest()


def persisted(text, **changes):
    """Return the extensions by which Apollo's clients name a document."""
    return {"persistedQuery": {"version": 1, "sha256Hash": digest(text), **changes}}


def post(client, **body):
    return client.post("/graphql/", json.dumps(body), content_type="application/json")


def get(client, **parameters):
    texts = {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in parameters.items()
    }
    return client.get("/graphql/", texts)


def name_of_shop(response):
    body = response.json()
    assert (response.status_code, body.get("errors")) == (200, None), body
    return body["data"]["shop"]["name"]


def error(response, status=400):
    body = response.json()
    assert (response.status_code, list(body)) == (status, ["errors"]), body
    [one] = body["errors"]
    return one


# Kept


def test_a_document_is_parsed_and_validated_once_for_all_callers(client, work, settings):
    other = Graph().client
    for each in (client, other, client):
        assert name_of_shop(post(each, query=SHOP)) == settings.SHOP_NAME
    assert name_of_shop(get(other, query=SHOP)) == settings.SHOP_NAME

    assert work == ["parse", "validate"]


def test_what_it_costs_is_worked_out_each_time(client, work):
    text = "query($n: Int) { products(first: $n) { nodes { name } } }"

    assert post(client, query=text, variables={"n": 1}).status_code == 200
    refused = error(post(client, query=text, variables={"n": 101}))

    assert refused["extensions"] == {"code": "page_too_large", "requested": 101, "limit": 100}
    assert work == ["parse", "validate"]


@pytest.mark.parametrize(
    "text", ["{ nothing }", "{ shop ", f"{{ {'a ' * 40} }}", "fragment A on Shop { name }"]
)
def test_what_is_wrong_is_not_kept(client, work, text):
    first = post(client, query=text)
    times = len(work)
    again = post(client, query=text, extensions=persisted(text))

    assert (first.status_code, again.status_code) == (400, 400)
    assert len(work) == 2 * times
    assert error(post(client, extensions=persisted(text)), 200) == UNKNOWN


def test_so_many_are_kept_those_that_were_used_last(client, work, monkeypatch):
    monkeypatch.setattr(documents, "_KEPT", 2)
    first, second, third = (f"{{ shop {{ name a{number}: url }} }}" for number in range(3))
    for text in (first, second, first, third):
        post(client, query=text)
    assert work.count("validate") == 3

    post(client, query=first)
    post(client, query=third)
    assert work.count("validate") == 3
    post(client, query=second)
    assert work.count("validate") == 4


def test_no_more_of_them_are_kept_than_so_many_characters(client, work, monkeypatch):
    long, longer = SHOP + " " * 63, SHOP + " " * 64
    monkeypatch.setattr(documents, "_KEPT_LENGTH", len(SHOP) + len(longer))
    for text in (SHOP, long, SHOP, long):
        post(client, query=text)
    assert work.count("validate") == 2

    # Both have to go, and the one that is read again then has its place.
    for text in (longer, SHOP, longer):
        post(client, query=text)
    assert work.count("validate") == 4
    post(client, query=long)
    assert work.count("validate") == 5


# By its hash (Apollo's automatic persisted queries)


@pytest.mark.parametrize("ask", [post, get])
def test_a_hash_that_is_not_known_yet_is_told_so_that_the_text_is_sent_once(
    client, ask, settings, work
):
    assert error(ask(client, extensions=persisted(SHOP)), 200) == UNKNOWN
    assert work == []

    assert name_of_shop(ask(client, query=SHOP, extensions=persisted(SHOP))) == settings.SHOP_NAME
    for each in (post, get):
        assert name_of_shop(each(client, extensions=persisted(SHOP))) == settings.SHOP_NAME
    upper = persisted(SHOP, sha256Hash=digest(SHOP).upper())
    assert name_of_shop(ask(client, extensions=upper)) == settings.SHOP_NAME
    assert work == ["parse", "validate"]


def test_by_its_hash_a_document_takes_variables_and_the_name_of_an_operation(client):
    text = "query A($n: Int) { products(first: $n) { totalCount } } query B { shop { name } }"
    post(client, query=text, operationName="B")

    answer = get(client, extensions=persisted(text), operationName="A", variables={"n": 3})

    assert answer.json()["data"] == {"products": {"totalCount": 0}}


@pytest.mark.parametrize("ask", [post, get])
def test_a_hash_of_another_text_is_refused_and_neither_is_kept(client, ask):
    refused = error(ask(client, query=SHOP, extensions=persisted("{ shop { url } }")))

    assert refused == {
        "message": "`sha256Hash` is not the hash of this document.",
        "extensions": {"code": "invalid"},
    }
    assert error(ask(client, extensions=persisted("{ shop { url } }")), 200) == UNKNOWN
    assert error(ask(client, extensions=persisted(SHOP)), 200) == UNKNOWN


@pytest.mark.parametrize(
    "extensions",
    [
        persisted(SHOP, version=2),
        persisted(SHOP, version="1"),
        persisted(SHOP, version=None),
        persisted(SHOP, sha256Hash=None),
        persisted(SHOP, sha256Hash=7),
        {"persistedQuery": {}},
        {"persistedQuery": []},
        {"persistedQuery": digest(SHOP)},
    ],
)
@pytest.mark.parametrize("more", [{}, {"query": SHOP}])
def test_another_version_or_no_hash_is_refused(client, extensions, more):
    assert error(post(client, extensions=extensions, **more)) == {
        "message": "`persistedQuery` needs `version` 1 and a `sha256Hash`.",
        "extensions": {"code": "invalid"},
    }


@pytest.mark.parametrize("body", [{}, {"query": ""}, {"query": None}, {"extensions": {"other": 1}}])
def test_without_a_document_there_is_nothing_to_answer(client, body):
    assert error(post(client, **body)) == {
        "message": "Send a document as `query`, or its hash as `extensions.persistedQuery`.",
        "extensions": {"code": "invalid"},
    }


# The allow-list


@pytest.fixture
def write_list(settings, tmp_path):
    """Let only these documents be answered."""

    def write(*texts):
        file = tmp_path / f"list-{len(list(tmp_path.iterdir()))}.json"
        file.write_text(json.dumps({digest(text): text for text in texts}))
        settings.GRAPHQL_ALLOW_LIST = str(file)

    return write


@pytest.mark.parametrize("ask", [post, get])
def test_what_is_on_the_list_is_answered_by_its_text_or_by_its_hash(
    client, ask, write_list, settings, work
):
    write_list("{ shop { url } }", SHOP)

    assert name_of_shop(ask(client, extensions=persisted(SHOP))) == settings.SHOP_NAME
    assert name_of_shop(ask(client, query=SHOP)) == settings.SHOP_NAME
    assert name_of_shop(ask(client, query=SHOP, extensions=persisted(SHOP))) == settings.SHOP_NAME
    assert work == ["parse", "parse", "parse", "validate"]


def test_what_is_on_the_list_is_known_as_clients_print_it_too(client, write_list, settings):
    written = "# Its name.\n{shop{name}}"
    write_list(written)
    printed = print_ast(parse(written))

    assert name_of_shop(post(client, extensions=persisted(printed))) == settings.SHOP_NAME
    assert name_of_shop(post(client, query=printed)) == settings.SHOP_NAME
    assert name_of_shop(post(client, query=written)) == settings.SHOP_NAME


@pytest.mark.parametrize(
    "text",
    [
        "{ shop { currency } }",
        SHOP + " ",
        "{ __schema { queryType { name } } }",
        "mutation { createCart { token } }",
        "{" * 1000,
    ],
)
def test_nothing_else_is_answered_or_even_read(client, write_list, work, text):
    write_list(SHOP)

    for body in (
        {"query": text},
        {"extensions": persisted(text)},
        {"query": text, "extensions": persisted(text)},
    ):
        assert error(post(client, **body)) == NOT_LISTED
    # The list itself.
    assert work == ["parse"]


def test_what_was_known_before_there_was_a_list_is_not_answered_by_it(client, write_list):
    name_of_shop(post(client, query=SHOP))
    write_list("{ shop { url } }")

    assert error(post(client, extensions=persisted(SHOP))) == NOT_LISTED


def test_a_hash_in_the_list_counts_for_its_own_text_alone(client, settings, tmp_path):
    file = tmp_path / "list.json"
    file.write_text(json.dumps({digest("{ shop { url } }"): SHOP}))
    settings.GRAPHQL_ALLOW_LIST = str(file)

    assert error(post(client, query="{ shop { url } }")) == NOT_LISTED
    assert name_of_shop(post(client, query=SHOP)) == settings.SHOP_NAME


def test_the_limits_hold_for_what_is_on_the_list(client, write_list, settings):
    settings.GRAPHQL_MAX_COST = 101
    write_list(SHOP)

    assert error(post(client, query=SHOP))["extensions"] == {
        "code": "too_expensive",
        "cost": {"requested": 102, "limit": 101},
    }


# Writing it


@pytest.fixture
def folder(tmp_path):
    """`folder(name=text)`: a folder of documents."""
    folder = tmp_path / "documents"

    def put(**texts):
        for name, text in texts.items():
            file = folder / name.replace("__", "/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.with_suffix(".graphql").write_bytes(
                text if isinstance(text, bytes) else text.encode()
            )
        return folder

    return put


def test_the_command_lists_the_documents_of_a_folder_to_the_letter(folder, capsys):
    texts = {
        "shop": "query Shop {\r\n  shop { name } # Bidhaa, “é”\n}\n",
        "below__cart": "query($n: Int) { products(first: $n) { totalCount } }",
    }
    made = folder(**texts)
    (made / "README.md").write_text("not one")

    call_command("graphql_allow_list", str(made))

    assert json.loads(capsys.readouterr().out) == {digest(text): text for text in texts.values()}


def test_what_the_command_writes_is_what_is_answered(folder, tmp_path, client, settings, capsys):
    file = tmp_path / "list.json"

    call_command("graphql_allow_list", str(folder(shop=SHOP)), output=file)
    settings.GRAPHQL_ALLOW_LIST = str(file)

    assert capsys.readouterr().out == ""
    assert name_of_shop(post(client, extensions=persisted(SHOP))) == settings.SHOP_NAME
    assert error(post(client, query="{ shop { url } }")) == NOT_LISTED


def test_the_command_names_each_file_that_would_be_refused_and_writes_nothing(folder, tmp_path):
    made = folder(
        a="{ nothing\n  neither }",
        b="{ shop ",
        c=SHOP,
        d="{ shop { name } } fragment A on Query { ...A }",
        e="{ products { totalCount } }",
        f=b"\xff",
        g="{ categories { children { children { children { children { children { id } } } } } } }",
        h="fragment A on Shop { name }",
        i="query($n: Int) { products(first: $n) { totalCount } }",
    )
    file = tmp_path / "list.json"

    with pytest.raises(CommandError) as raised:
        call_command("graphql_allow_list", str(made), output=file)

    assert str(raised.value).replace(f"{made}/", "").splitlines() == [
        "a.graphql:1:3: Cannot query field 'nothing' on type 'Query'. Did you mean 'booking'?",
        "a.graphql:2:3: Cannot query field 'neither' on type 'Query'.",
        "b.graphql:1:8: Syntax Error: Expected Name, found <EOF>.",
        "d.graphql: Fragment A is spread in itself.",
        "e.graphql:1:3: Ask for `first` or `last` so many of products, at most 100.",
        "f.graphql: it is not UTF-8.",
        "g.graphql: This costs 21193; at most 5000 is answered. Ask for fewer rows or fields.",
        "h.graphql:1:1: Fragment 'A' is never used.",
    ]
    assert not file.exists()


def test_the_command_says_that_there_are_none(tmp_path):
    with pytest.raises(CommandError, match=r"There is no \*\.graphql file in .+"):
        call_command("graphql_allow_list", str(tmp_path))
