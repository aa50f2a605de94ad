"""A MongoDB of the tests: nx-27017 as a process of its own, or the real one of MONGO_TEST_URI.

Real pymongo speaks to it over TCP. nx-27017 keeps its documents in a file of SQLite, so that they
outlive it being killed.
"""

import os
import signal
import subprocess
import sys
import tempfile
import uuid
from datetime import timedelta
from importlib import metadata
from pathlib import Path

from django.db.models.functions import Now
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from repairs.models import DocumentWrite, Job
from repairs.services.documents import document_of, documents_changed
from repairs.tests.factories import JobFactory
from tests.ports import free_port
from tests.processes import wait_until

URI = os.environ.get("MONGO_TEST_URI", "")
VERSION = metadata.version("nx-27017")


class Mongo:
    """A database of one test; `documents()` is what its collection holds, by `_id`."""

    def __init__(self, url):
        self.url = url

    def client(self):
        return MongoClient(self.url, serverSelectionTimeoutMS=60_000)

    def documents(self):
        with self.client() as client:
            found = client.get_default_database()["repairs"].find({})
            return {each.pop("_id"): each for each in found}

    def put(self, *documents):
        with self.client() as client:
            client.get_default_database()["repairs"].insert_many(documents)


class RealMongo(Mongo):
    """A database of its own at MONGO_TEST_URI, removed afterwards."""

    def __init__(self):
        self.name = f"duka_test_{uuid.uuid4().hex[:12]}"
        base, _, query = URI.partition("?")
        scheme, _, rest = base.partition("://")
        super().__init__(
            f"{scheme}://{rest.partition('/')[0]}/{self.name}" + (f"?{query}" if query else "")
        )

    def close(self):
        with self.client() as client:
            client.drop_database(self.name)


class NxMongo(Mongo):
    """An nx-27017 on a port of its own."""

    def __init__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="duka-nx-")
        self.port = free_port()
        super().__init__(f"mongodb://127.0.0.1:{self.port}/shop")
        self._process = None
        self.start()

    def start(self):
        folder = Path(self._folder.name)
        with (folder / "out").open("ab") as out:
            self._process = subprocess.Popen(
                [
                    sys.executable, "-c", "from nx_27017.nx_27017 import main; main()",
                    "--db", str(folder / "shop.db"),
                    "--port", str(self.port),
                    "--log-file", str(folder / "log"),
                    "--pid-file", str(folder / "pid"),
                ],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out,
            )  # fmt: skip
        wait_until(self._answers)

    def _answers(self):
        assert self._process.poll() is None, (Path(self._folder.name) / "out").read_text()
        try:
            with MongoClient(self.url, serverSelectionTimeoutMS=500) as client:
                client.admin.command("ping")
        except PyMongoError:
            return False
        return True

    def kill(self):
        self._process.kill()
        self._process.wait(15)
        # It would take itself for running already.
        (Path(self._folder.name) / "pid").unlink(missing_ok=True)

    def pause(self):
        self._process.send_signal(signal.SIGSTOP)

    def resume(self):
        self._process.send_signal(signal.SIGCONT)

    def close(self):
        self.kill()
        self._folder.cleanup()


def changed_jobs(count=1, **fields):
    jobs = [JobFactory.create(**fields) for _ in range(count)]
    documents_changed([job.pk for job in jobs])
    return jobs


def let_all_be_due():
    DocumentWrite.objects.update(due_at=Now())


def let_leases_pass():
    DocumentWrite.objects.update(due_at=Now() - timedelta(seconds=1))


def expected(jobs):
    found = Job.objects.select_related("source").filter(pk__in=[job.pk for job in jobs])
    return {job.full_id: document_of(job) for job in found}
