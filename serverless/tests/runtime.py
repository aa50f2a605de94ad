"""The Runtime API of AWS Lambda, small and on this machine, and the real client of AWS on it."""

import contextlib
import json
import queue
import sys
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.processes import PROJECT, spawn

# `make lambda-client` puts it there: apart, as what it brings along changes how `requests` fails.
CLIENT = PROJECT / ".venv" / "lambda"
BASE = "/2018-06-01/runtime"


class RuntimeApi:
    """Gives events to one function and keeps its answers: `invoke(event)`."""

    def __init__(self):
        self._events = queue.Queue()
        self.answers = queue.Queue()
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                assert self.path == f"{BASE}/invocation/next"
                event, milliseconds = api._events.get()
                if event is None:
                    # Frozen for good.
                    self.close_connection = True
                    return
                self.answer(
                    200,
                    json.dumps(event).encode(),
                    {
                        "Lambda-Runtime-Aws-Request-Id": str(uuid.uuid4()),
                        "Lambda-Runtime-Deadline-Ms": str(int(time.time() * 1000) + milliseconds),
                        "Lambda-Runtime-Invoked-Function-Arn": (
                            "arn:aws:lambda:us-east-1:123456789012:function:duka"
                        ),
                        "Lambda-Runtime-Trace-Id": "Root=1-5759e988-bd862e3fe1be46a994272793",
                    },
                )

            def do_POST(self):
                length = int(self.headers.get("Content-Length") or 0)
                if self.headers.get("Transfer-Encoding") == "chunked":
                    body = b""
                    while size := int(self.rfile.readline(), 16):
                        body += self.rfile.read(size)
                        self.rfile.readline()
                    self.rfile.readline()
                else:
                    body = self.rfile.read(length)
                what = "init error" if self.path == f"{BASE}/init/error" else None
                api.answers.put((what or self.path.rpartition("/")[2], json.loads(body)))
                self.answer(202, b'{"status":"OK"}', {})

            def answer(self, status, body, headers):
                self.send_response(status)
                for name, value in {**headers, "Content-Type": "application/json"}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request, client_address):
                """A function that ended leaves its question open."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def invoke(self, event, *, seconds=120):
        """Let the function have an event; return ("response" or "error", what it said)."""
        self._events.put((event, int(seconds * 1000)))
        return self.answers.get(timeout=90)

    def respond(self, event, *, seconds=120):
        kind, answer = self.invoke(event, seconds=seconds)
        assert kind == "response", answer
        return answer

    def close(self):
        self._events.put((None, 0))
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@contextlib.contextmanager
def function(handler, **env):
    """Run a handler by AWS's own client, as Lambda does; gives the Runtime API."""
    assert (CLIENT / "awslambdaric").is_dir(), "make .venv/lambda.stamp installs it"
    api = RuntimeApi()
    try:
        with spawn(
            sys.executable, "-m", "awslambdaric", handler,
            env={
                "AWS_LAMBDA_RUNTIME_API": api.address,
                "AWS_LAMBDA_FUNCTION_NAME": "duka",
                "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1024",
                "LAMBDA_TASK_ROOT": str(PROJECT),
                # In this process alone.
                "PYTHONPATH": str(CLIENT),
                **env,
            },
        ) as process:  # fmt: skip
            api.process = process
            yield api
    finally:
        api.close()
