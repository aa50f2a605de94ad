"""How a client's table is called and what it means."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from repairs.states import JobStatus, status_meant

# The contract's table, in its order.
COLUMNS = (
    "job_id",
    "job_type",
    "job_status",
    "client_firstname",
    "client_lastname",
    "client_postcode",
    "client_mobile",
    "product_sku",
    "product_type",
)


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Where a client's jobs are. `url` holds a password: neither logged nor shown."""

    url: str = field(repr=False)
    table: str = "Jobs"
    # {column of the contract: its name there}; those that are called alike are left out.
    columns: Mapping[str, str] = field(default_factory=dict)
    # {the client's own word: a status of ours}
    statuses: Mapping[str, str] = field(default_factory=dict)
    write_back: bool = True

    def column(self, name: str) -> str:
        return self.columns.get(name, name)

    def meaning(self, word: str) -> JobStatus | None:
        """Return the status that a word of the client's means; None: nobody knows."""
        return status_meant(word, dict(self.statuses))

    def words_for(self, status: JobStatus) -> list[str]:
        """Return the words that mean a status there, the one to write first."""
        own = [word for word, meant in self.statuses.items() if meant == status]
        word = str(status.value)
        # In the same order each time, so that a statement is compiled once; each once.
        return list(dict.fromkeys([*own, word, word.capitalize(), word.title(), word.lower()]))
