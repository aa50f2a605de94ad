"""How secrets are stored that the shop made itself."""

from typing import Any

from django.contrib.auth.hashers import BasePasswordHasher
from django.utils.crypto import constant_time_compare, salted_hmac


class GeneratedSecretHasher(BasePasswordHasher):
    """One round, for secrets of 256 random bits: nobody can guess those, however fast.

    A password's million rounds would cost 0.3 s of CPU for each token of a machine.
    """

    algorithm = "generated"

    def salt(self) -> str:
        return "-"

    def encode(self, password: str, salt: str) -> str:
        return f"{self.algorithm}${salt}${_digest(password)}"

    def decode(self, encoded: str) -> dict[str, str]:
        algorithm, salt, digest = encoded.split("$", 2)
        return {"algorithm": algorithm, "salt": salt, "hash": digest}

    def verify(self, password: str, encoded: str) -> bool:
        return constant_time_compare(self.decode(encoded)["hash"], _digest(password))

    def safe_summary(self, encoded: str) -> dict[Any, Any]:
        return {"algorithm": self.algorithm}

    def must_update(self, encoded: str) -> bool:
        return False

    def harden_runtime(self, password: str, encoded: str) -> None:
        pass


def _digest(secret: str) -> str:
    # Keyed, so that a stolen table is of no use without SECRET_KEY.
    return salted_hmac("duka.generated-secret", secret, algorithm="sha256").hexdigest()
