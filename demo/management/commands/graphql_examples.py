"""`manage.py graphql_examples`: writes the example documents, or finds them out of date."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from demo.graphql_examples import files


class Command(BaseCommand):
    help = "Write what shop-fronts usually ask of /graphql/ into a folder, valid for the schema."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path, help="docs/graphql")
        parser.add_argument(
            "--check", action="store_true", help="write nothing; exit with 1 where they differ"
        )

    def handle(self, *args: Any, folder: Path, check: bool, **options: Any) -> None:
        wanted = files()
        if not check:
            folder.mkdir(parents=True, exist_ok=True)
            for name, text in wanted.items():
                (folder / name).write_text(text, encoding="utf-8")
            return
        there = {each.name: each.read_text(encoding="utf-8") for each in folder.glob("*.*")}
        if stale := [name for name in wanted | there if wanted.get(name) != there.get(name)]:
            raise CommandError(f"Out of date in {folder}: {', '.join(sorted(stale))}.")
