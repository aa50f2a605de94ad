"""Imports killed in the middle: the next command goes on, and all is there once."""

import contextlib
import gzip
import json
import random
import time

import pytest

from conversations.models import ImportedFile, Interaction, RejectedLine
from tests.processes import spawn_manage, wait_until

from .factories import EngagementFactory

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

LINES = 60_000
# Every so many lines is one that cannot be taken in.
BAD = 1000


@pytest.fixture
def path(tmp_path):
    """A packed file of documents that nothing tells apart: neither an id nor a source's name."""
    engagement = EngagementFactory.create()
    path = tmp_path / "interactions.json.gz"
    with gzip.open(path, "wt", 1) as file:
        for number in range(1, LINES + 1):
            document = {
                "engagementId": {"$oid": engagement.pk},
                "interactionDate": {"$date": 1589630400000 + number},
                "custom": {"number": number, "text": "some words of a customer"},
            }
            if number % BAD == 0:
                document["engagementId"] = {"$oid": "no id"}
            file.write(json.dumps(document) + "\n")
    return path


def check_all_is_there_once():
    numbers = [
        json.loads(custom)["number"] if isinstance(custom, str) else custom["number"]
        for custom in Interaction.objects.values_list("custom", flat=True).iterator()
    ]
    assert sorted(numbers) == [n for n in range(1, LINES + 1) if n % BAD]
    aside = RejectedLine.objects.order_by("number").values_list("number", flat=True)
    assert list(aside) == list(range(BAD, LINES + 1, BAD))
    row = ImportedFile.objects.get()
    assert (row.created, row.unchanged, row.rejected) == (
        LINES - LINES // BAD,
        0,
        LINES // BAD,
    )
    assert row.line == LINES
    assert row.ended_at is not None


def finish(path):
    with spawn_manage("import_interactions", str(path)) as last:
        wait_until(lambda: last.process.poll() is not None, 300)
        assert last.process.returncode == 2, last.log()


def test_a_command_that_is_killed_again_and_again_leaves_each_line_once(path):
    chance = random.Random(7)
    line = 0
    for _ in range(4):
        with spawn_manage("import_interactions", str(path)) as dying:

            def has_come_further(dying=dying, line=line):
                assert dying.process.poll() is None, dying.log()
                return (ImportedFile.objects.values_list("line", flat=True).first() or 0) > line

            wait_until(has_come_further)
            time.sleep(chance.uniform(0, 0.3))
            dying.kill()
        row = ImportedFile.objects.get()
        line = row.line
        if row.ended_at:
            break
        # What is stored is what the row says, whatever was under way.
        assert Interaction.objects.count() == row.created
        assert RejectedLine.objects.count() == row.rejected
        assert row.created + row.rejected == row.line
    assert line < LINES, "it was too quick to be killed"

    finish(path)
    check_all_is_there_once()


def test_two_commands_at_one_file_take_each_line_in_once(path):
    with contextlib.ExitStack() as both:
        commands = [
            both.enter_context(spawn_manage("import_interactions", str(path))) for _ in range(2)
        ]
        wait_until(lambda: all(each.process.poll() is not None for each in commands), 300)
        # One stops with a sentence, or came when the other had ended.
        endings = sorted(each.process.returncode for each in commands)
        assert endings in ([1, 2], [2, 2]), [each.log() for each in commands]
        if endings[0] == 1:
            logs = "".join(each.log() for each in commands)
            assert "Another command takes the same file in" in logs
    check_all_is_there_once()
