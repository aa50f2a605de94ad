"""`manage.py graphql_contract`: holds `schema.graphql` against the code."""

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from graphene_django.settings import graphene_settings
from graphql import (
    build_schema,
    find_breaking_changes,
    find_dangerous_changes,
    print_schema,
)


class Command(BaseCommand):
    help = (
        "Compare a GraphQL schema that was handed out with the one of the code, and name what would"
        " break those who use it. Exits with 1 where they differ."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="schema.graphql, or one of before (-: stdin)")
        parser.add_argument("--write", action="store_true", help="write it anew")
        parser.add_argument(
            "--breaking-only", action="store_true", help="exit with 1 only where something breaks"
        )

    def handle(
        self, *args: Any, file: Path, write: bool, breaking_only: bool, **options: Any
    ) -> None:
        text = f"{print_schema(graphene_settings.SCHEMA.graphql_schema)}\n"
        if not write or file.exists():
            before = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
            # Both as read from text: graphene's kinds of types are none of GraphQL's own.
            old, new = build_schema(before), build_schema(text)
            breaking = [each.description for each in find_breaking_changes(old, new)]
            surprising = [each.description for each in find_dangerous_changes(old, new)]
            for line in breaking:
                self.stdout.write(f"BREAKS: {line}")
            for line in surprising:
                self.stdout.write(f"may surprise: {line}")
            if breaking_only and breaking:
                raise CommandError(f"{len(breaking)} changes break those who use the schema.")
            if not write and not breaking_only and before != text:
                raise CommandError(f"{file} is out of date: run make schema.")
        if write:
            file.write_text(text, encoding="utf-8")
