"""The table of a job's moves, and what a client's words mean."""

import itertools

import pytest

from repairs.states import ALLOWED, WAY, JobStatus, status_meant

MOVES = {
    ("NEW", "OPENED"),
    ("NEW", "CANCELLED"),
    ("OPENED", "JOB COMPLETED"),
    ("OPENED", "CANCELLED"),
    ("JOB COMPLETED", "CLOSED"),
}


def test_every_status_has_its_row():
    assert set(ALLOWED) == set(JobStatus)
    assert JobStatus.values == ["NEW", "OPENED", "JOB COMPLETED", "CLOSED", "CANCELLED"]
    assert [status.value for status in WAY] == ["NEW", "OPENED", "JOB COMPLETED", "CLOSED"]


@pytest.mark.parametrize(("before", "after"), list(itertools.product(JobStatus, repeat=2)))
def test_of_every_pair_only_the_listed_moves_are_allowed(before, after):
    assert (after in before.allowed) == ((before.value, after.value) in MOVES)


def test_what_is_open_is_what_can_still_be_moved():
    open_ones = [status.value for status in JobStatus if status.is_open]
    assert open_ones == ["NEW", "OPENED", "JOB COMPLETED"]


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("NEW", "NEW"),
        ("New", "NEW"),
        (" opened ", "OPENED"),
        ("Job completed", "JOB COMPLETED"),
        ("JOB_COMPLETED", "JOB COMPLETED"),
        ("job  completed", "JOB COMPLETED"),
        ("Completed", "JOB COMPLETED"),
        ("canceled", "CANCELLED"),
        ("Cancelled", "CANCELLED"),
        ("Closed", "CLOSED"),
    ],
)
def test_a_word_means_a_status_in_whatever_letters_it_is_written(word, status):
    assert status_meant(word) == status


@pytest.mark.parametrize("word", ["", " ", "OPEN", "NEWS", "JOBCOMPLETED", "Lost"])
def test_another_word_means_nothing(word):
    assert status_meant(word) is None


def test_the_clients_own_words_go_before_ours():
    others = {"In the shop": "OPENED", "closed": "JOB COMPLETED"}

    assert status_meant("in_the  SHOP", others) == "OPENED"
    assert status_meant("CLOSED", others) == "JOB COMPLETED"
    assert status_meant("NEW", others) == "NEW"
