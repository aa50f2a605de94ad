import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from core import supervisor as module
from core.supervisor import Program, Supervisor

PROJECT = Path(__file__).resolve().parents[2]
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(300)"


def is_alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def wait_until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"still not so after {seconds} s"
        time.sleep(0.02)


def python(program):
    return [sys.executable, "-I", "-S", "-c", program]


def notes_pid(path, then="time.sleep(300)"):
    """A program that appends its process number to `path`."""
    return python(f"import os, time; open({str(path)!r}, 'a').write(f'{{os.getpid()}}\\n'); {then}")


def pids_in(path):
    text = path.read_text() if path.exists() else ""
    return [int(line) for line in text.split("\n")[:-1]]


@pytest.fixture
def start(tmp_path):
    """Start a process that supervises the given commands."""
    started = []

    def start_supervisor(*commands, grace=5):
        script = textwrap.dedent(
            f"""
            import sys
            from core.supervisor import Program, Supervisor
            programs = [Program(name=f"p{{n}}", argv=a) for n, a in enumerate({list(commands)!r})]
            sys.exit(Supervisor(programs, grace_seconds={grace}).run())
            """
        )
        process = subprocess.Popen(
            [sys.executable, "-c", script], cwd=PROJECT, stderr=subprocess.PIPE, text=True
        )
        started.append(process)
        return process

    yield start_supervisor
    for process in started:
        process.kill()
        process.communicate()
    for note in tmp_path.glob("pids*"):
        for pid in pids_in(note):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_all_programs_and_the_supervisor(start, tmp_path, number):
    notes = [tmp_path / "pids1", tmp_path / "pids2"]
    supervisor = start(*[notes_pid(note) for note in notes])
    wait_until(lambda: all(pids_in(note) for note in notes))

    supervisor.send_signal(number)

    assert supervisor.wait(60) == 0
    assert [is_alive(pid) for note in notes for pid in pids_in(note)] == [False, False]


def test_what_ignores_the_polite_signal_is_killed_after_the_grace(start, tmp_path):
    note = tmp_path / "pids"
    supervisor = start(notes_pid(note, STUBBORN), grace=0.5)
    wait_until(lambda: pids_in(note))
    time.sleep(0.2)  # It ignores the signal a moment after its note.
    started = time.monotonic()

    supervisor.terminate()

    assert supervisor.wait(60) == 0
    assert 0.4 < time.monotonic() - started < 3
    assert [is_alive(pid) for pid in pids_in(note)] == [False]


def test_what_a_program_started_ends_too(start, tmp_path):
    note = tmp_path / "pids"
    grandchild = notes_pid(note)
    supervisor = start(
        notes_pid(note, f"import subprocess; subprocess.Popen({grandchild!r}); time.sleep(300)")
    )
    wait_until(lambda: len(pids_in(note)) == 2)

    supervisor.terminate()

    assert supervisor.wait(60) == 0
    assert [is_alive(pid) for pid in pids_in(note)] == [False, False]


def test_a_killed_program_is_started_again_and_said_so(start, tmp_path):
    note = tmp_path / "pids"
    supervisor = start(notes_pid(note))
    wait_until(lambda: pids_in(note))

    os.kill(pids_in(note)[0], signal.SIGKILL)
    wait_until(lambda: len(pids_in(note)) == 2)
    supervisor.terminate()

    assert supervisor.wait(60) == 0
    assert supervisor.stderr.read() == "p0 was killed by signal 9; starting it again in 0.5 s.\n"
    assert [is_alive(pid) for pid in pids_in(note)] == [False, False]


def test_children_of_a_killed_program_end_before_it_is_started_again(start, tmp_path):
    note = tmp_path / "pids"
    grandchild = notes_pid(note)
    supervisor = start(
        notes_pid(note, f"import subprocess; subprocess.Popen({grandchild!r}); time.sleep(300)")
    )
    wait_until(lambda: len(pids_in(note)) == 2)
    parent, child = pids_in(note)

    os.kill(parent, signal.SIGKILL)
    wait_until(lambda: len(pids_in(note)) == 4)

    assert not is_alive(child)
    supervisor.terminate()
    assert supervisor.wait(60) == 0


def test_a_program_that_never_stays_up_makes_it_give_up_and_end_the_others(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "LONGEST_WAIT_SECONDS", 0.1)
    note = tmp_path / "pids"
    said = []
    supervisor = Supervisor(
        [
            Program(name="web", argv=python("import time; time.sleep(300)")),
            Program(name="worker", argv=notes_pid(note, "raise SystemExit(3)")),
        ],
        say=said.append,
    )

    assert supervisor.run() == 1

    assert len(pids_in(note)) == 5
    assert said[:-1] == ["worker ended with status 3; starting it again in 0.1 s."] * 4
    assert said[-1] == (
        "worker ended with status 3, for the 5th time soon after its start. Stopping everything; "
        "its own messages above say why."
    )


def test_stop_gives_the_exit_code(tmp_path):
    supervisor = Supervisor([Program(name="web", argv=notes_pid(tmp_path / "pids"))])
    before = signal.getsignal(signal.SIGTERM)

    supervisor.stop(exit_code=7)

    assert supervisor.run() == 7
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_program_gets_its_own_environment_and_no_input(tmp_path):
    seen = tmp_path / "seen"
    program = (
        "import os, sys, time;"
        f"open({str(seen)!r}, 'w').write(os.environ['COLOUR'] + repr(sys.stdin.read()));"
        "time.sleep(300)"
    )
    supervisor = Supervisor(
        [Program(name="web", argv=python(program), env={"COLOUR": "blue"})], grace_seconds=2
    )

    def stop_when_seen():
        wait_until(lambda: seen.exists() and seen.read_text())
        supervisor.stop()

    threading.Thread(target=stop_when_seen, daemon=True).start()

    assert supervisor.run() == 0
    assert seen.read_text() == "blue''"


@pytest.mark.skipif(not module.dies_with_parent(), reason="needs util-linux's setpriv")
def test_programs_end_when_the_supervisor_is_killed(start, tmp_path):
    notes = [tmp_path / "pids1", tmp_path / "pids2"]
    supervisor = start(*[notes_pid(note) for note in notes])
    wait_until(lambda: all(pids_in(note) for note in notes))

    supervisor.kill()

    wait_until(lambda: not any(is_alive(pid) for note in notes for pid in pids_in(note)))
