"""A private nginx."""

import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

import requests

from .server import Server, program, running


class Nginx(Server):
    """An nginx before some web servers; it tries the next one as it does in production.

    A POST that a web server may have seen is never sent to another by nginx itself.
    """

    name = "nginx"
    ends: Mapping[str, int] = {"fast": signal.SIGTERM, "immediate": signal.SIGKILL}

    def __init__(
        self,
        folder: Path,
        upstreams: Sequence[str],
        *,
        more: str = "",
        forwarded_proto: str = "$scheme",
    ) -> None:
        self._program = program("nginx")
        super().__init__(folder)
        self._more = more
        self._forwarded_proto = forwarded_proto
        self.write(upstreams)

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def write(self, upstreams: Sequence[str]) -> None:
        """Write its configuration. `upstreams`: `127.0.0.1:8001`, `unix:/path`."""
        # Each is asked each time: one that was away for a moment would be passed over for seconds,
        # and the other may just go away itself.
        servers = "".join(f"        server {each} max_fails=0;\n" for each in upstreams)
        (self.folder / "nginx.conf").write_text(
            f"""{"user root;" if os.geteuid() == 0 else ""}
daemon off;
worker_processes 2;
pid {self.folder}/nginx.pid;
error_log stderr warn;
events {{}}
http {{
    access_log off;
    client_body_temp_path {self.folder}/body;
    proxy_temp_path {self.folder}/proxy;
    fastcgi_temp_path {self.folder}/fastcgi;
    uwsgi_temp_path {self.folder}/uwsgi;
    scgi_temp_path {self.folder}/scgi;
    upstream duka {{
{servers}    }}
    server {{
        listen {self.host}:{self.port};
        client_max_body_size 60m;
        location / {{
            proxy_pass http://duka;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Proto {self._forwarded_proto};
            proxy_connect_timeout 2s;
            proxy_read_timeout 60s;
            proxy_next_upstream error timeout;
            proxy_next_upstream_tries 2;
        }}
        {self._more}
    }}
}}
"""
        )

    def reload(self) -> None:
        """Take up the configuration anew, as `nginx -s reload` does."""
        os.kill(self.pid, signal.SIGHUP)

    def is_ready(self) -> bool:
        # Its web servers may be away: any answer is nginx's.
        with contextlib.suppress(requests.RequestException):
            requests.get(self.url, timeout=5, allow_redirects=False)
            return True
        return False

    def command(self) -> Sequence[str]:
        conf = str(self.folder / "nginx.conf")
        return [self._program, "-p", str(self.folder), "-c", conf, "-e", "stderr"]


def spawn_nginx(
    folder: Path, upstreams: Sequence[str], *, more: str = "", forwarded_proto: str = "$scheme"
) -> contextlib.AbstractContextManager[Nginx]:
    """Run nginx before web servers.

    Args:
        more: lines for its `server` block.
        forwarded_proto: `https` plays the nginx that ends TLS.
    """
    return running(Nginx(folder, upstreams, more=more, forwarded_proto=forwarded_proto))
