"""Clients' databases: read and, where that is wanted, told a status. Nothing of ours is here.

with ClientDatabase(services.layout_of(source)) as client:
    rows = client.new_rows(after=None, limit=500)
"""

from .database import ClientDatabase, Row, usable
from .errors import Finding, SourceFailed
from .inspection import inspect
from .layout import COLUMNS, Layout

__all__ = [
    "COLUMNS",
    "ClientDatabase",
    "Finding",
    "Layout",
    "Row",
    "SourceFailed",
    "inspect",
    "usable",
]
