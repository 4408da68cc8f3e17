"""Where things lie: the files, sockets and addresses below `var/`."""

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

# A Unix socket's path holds 107 bytes on Linux and 103 on macOS; the longest name put below the folder
# is `.s.PGSQL.5432.lock`.
SOCKET_FOLDER_BYTES_MAX = 80
POSTGRES_USER = "burnline"
POSTGRES_DATABASE = "burnline"
POSTGRES_SOCKET_PORT = 5432


@dataclass(frozen=True)
class Places:
    """Every path that Burnline writes to, derived from the one folder `var`."""

    var: Path

    @property
    def postgres(self) -> Path:
        return self.var / "postgres"

    @property
    def valkey(self) -> Path:
        return self.var / "valkey"

    @property
    def logs(self) -> Path:
        return self.var / "logs"

    @property
    def mail(self) -> Path:
        return self.var / "mail"

    @property
    def static(self) -> Path:
        return self.var / "static"

    @property
    def metrics(self) -> Path:
        """Counters of the running processes; emptied at each start."""
        return self.var / "metrics"

    @property
    def demo(self) -> Path:
        """The demo's sign-ins: JSON with console and portal {email, password}, customer, api_key."""
        return self.var / "demo.json"

    @property
    def sockets(self) -> Path:
        """`var/run`, or a folder in the system's temporary one when that path is too long."""
        folder = self.var / "run"
        if len(os.fsencode(folder)) <= SOCKET_FOLDER_BYTES_MAX:
            return folder
        digest = hashlib.sha256(os.fsencode(self.var)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"burnline-{os.geteuid()}-{digest}"

    @property
    def valkey_socket(self) -> Path:
        return self.sockets / "valkey.sock"

    @property
    def valkey_url(self) -> str:
        return f"unix://{quote(str(self.valkey_socket))}"

    @property
    def celery_broker_url(self) -> str:
        return f"redis+socket://{quote(str(self.valkey_socket))}"

    def database(self) -> dict[str, str | int]:
        """Django's connection fields for the embedded Postgres."""
        return {
            "NAME": POSTGRES_DATABASE,
            "USER": POSTGRES_USER,
            "PASSWORD": "",
            "HOST": str(self.sockets),
            "PORT": POSTGRES_SOCKET_PORT,
        }
