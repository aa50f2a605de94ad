"""The SAM template: what cfn-lint finds wrong, and that it fits the handlers and the package."""

import importlib
from pathlib import Path

import pytest
import yaml
from cfnlint import lint
from cfnlint.config import ManualArgs

from serverless.handlers import RESERVE

TEMPLATE = Path(__file__).resolve().parents[1] / "template.yaml"


class Loader(yaml.SafeLoader):
    """Understands CloudFormation's short forms, as far as these tests need: `!Ref x` is "x"."""


Loader.add_multi_constructor("!", lambda loader, suffix, node: loader.construct_object(plain(node)))


def plain(node):
    return type(node)(f"tag:yaml.org,2002:{kinds[type(node)]}", node.value)


kinds = {yaml.ScalarNode: "str", yaml.SequenceNode: "seq", yaml.MappingNode: "map"}


@pytest.fixture(scope="module")
def template():
    return yaml.load(TEMPLATE.read_text(), Loader)


def test_cfn_lint_finds_nothing():
    assert [str(match) for match in lint(TEMPLATE.read_text(), config=ManualArgs())] == []


def test_cfn_lint_knows_this_kind_of_template():
    wrong = TEMPLATE.read_text().replace("Timeout: 29", "Timeouts: 29")

    assert [match.rule.id for match in lint(wrong, config=ManualArgs())] == ["E3002"]


def test_its_functions_are_handlers(template):
    functions = {
        each["Properties"]["Handler"]
        for each in template["Resources"].values()
        if each["Type"] == "AWS::Serverless::Function"
    }

    assert functions == {"serverless.handlers.http", "serverless.handlers.collect"}
    for path in functions:
        module, _, name = path.rpartition(".")
        assert callable(getattr(importlib.import_module(module), name))


def test_its_code_is_where_make_lambda_puts_it(template):
    code = template["Globals"]["Function"]["CodeUri"]

    project = TEMPLATE.parents[1]
    assert (TEMPLATE.parent / code).resolve() == project / "var" / "lambda" / "duka.zip"


def test_a_round_has_time_for_its_work(template):
    timeout = template["Resources"]["Collect"]["Properties"]["Timeout"]
    assert (
        template["Resources"]["Collect"]["Properties"]["Events"]["EachMinute"]["Properties"][
            "Schedule"
        ]
        == "rate(1 minute)"
    )
    assert RESERVE < timeout <= 60


def test_no_secret_is_a_parameter(template):
    variables = template["Globals"]["Function"]["Environment"]["Variables"]
    secrets = {
        name for name, value in variables.items() if str(value).startswith("{{resolve:secretsm")
    }

    assert secrets == {
        "DATABASE_URL",
        "MONGO_URL",
        "OIDC_RP_CLIENT_SECRET",
        "REPAIRS_WORKSHOP_URL",
        "SECRET_KEY",
        "VONAGE_API_KEY",
        "VONAGE_API_SECRET",
    }
