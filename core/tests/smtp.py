"""A mail server's stand-in on loopback: it takes mail, refuses it, or hangs."""

import socketserver
import threading
from email import message_from_bytes
from email.message import Message
from email.policy import default


class Handler(socketserver.StreamRequestHandler):
    server: "MailServer"

    def handle(self) -> None:
        if self.server.behaviour == "hang":
            self.server.gate.wait(30)
            return
        if self.server.behaviour == "busy":
            self._say("421 come back later")
            return
        self._say("220 mail.example")
        while line := self.rfile.readline():
            match line[:4].upper().strip():
                case b"DATA":
                    self._say("354 go on")
                    self._take()
                case b"RCPT" if self.server.behaviour == "refuse":
                    self._say("550 no such mailbox")
                case b"QUIT":
                    self._say("221 bye")
                    return
                case _:
                    self._say("250 mail.example")

    def _take(self) -> None:
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line.removeprefix(b"."))
        self.server.taken.append(message_from_bytes(b"".join(lines), policy=default))
        self._say("250 taken")

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


class MailServer(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def __init__(self, behaviour: str = "take") -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.behaviour = behaviour
        self.gate = threading.Event()
        self.taken: list[Message] = []
        threading.Thread(target=self.serve_forever, args=[0.02], daemon=True).start()

    @property
    def port(self) -> int:
        return self.server_address[1]

    def __exit__(self, *args: object) -> None:
        self.gate.set()
        self.shutdown()
        super().__exit__(*args)
