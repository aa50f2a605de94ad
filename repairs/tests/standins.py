"""Stand-ins for the way to a client's server, and for a server that does not speak its language."""

import contextlib
import socket
import threading


class Listener:
    """A port of loopback; `handle(connection)` has each caller in a thread of its own."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.ended = threading.Event()
        self.threads = [threading.Thread(target=self._accept, daemon=True)]
        self.connections: list[socket.socket] = []

    def __enter__(self):
        self.threads[0].start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        for each in (self.socket, *self.connections):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in self.threads:
            thread.join(30)

    def handle(self, connection: socket.socket) -> None:
        raise NotImplementedError

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.socket.accept()
                self.connections.append(connection)
                self._start(self._handle, connection)

    def _start(self, target, *args) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self.threads.append(thread)
        thread.start()

    def _handle(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            self.handle(connection)


class Says(Listener):
    """A server that says these bytes, one at a time with a pause between them, or all at once."""

    def __init__(self, data: bytes, *, every: float = 0) -> None:
        super().__init__()
        self.data = data
        self.every = every

    def handle(self, connection):
        if self.every:
            for at in range(len(self.data)):
                connection.sendall(self.data[at : at + 1])
                self.ended.wait(self.every)
        else:
            connection.sendall(self.data)
        while connection.recv(1024):
            pass


class Proxy(Listener):
    """The way to a server; while `dripping`, its answers come a byte at a time."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self.target = port
        self.dripping = threading.Event()

    def handle(self, connection):
        server = socket.create_connection(("127.0.0.1", self.target))
        self.connections.append(server)
        self._start(self._answers, server, connection)
        while data := connection.recv(65536):
            server.sendall(data)
        server.shutdown(socket.SHUT_WR)

    def _answers(self, server, connection) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                if not self.dripping.is_set():
                    connection.sendall(data)
                    continue
                for at in range(len(data)):
                    connection.sendall(data[at : at + 1])
                    self.ended.wait(0.05)
            connection.shutdown(socket.SHUT_WR)
