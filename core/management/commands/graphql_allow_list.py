"""`manage.py graphql_allow_list`: writes the file that `GRAPHQL_ALLOW_LIST` names."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from graphene_django.settings import graphene_settings
from graphql import GraphQLError, GraphQLSchema

from core.graphql.documents import Invalid, digest_of, valid
from core.graphql.limits import Cost, hold_cost


class Command(BaseCommand):
    help = (
        "Put a shop-front's documents on a list that alone is answered: each *.graphql file of a"
        " folder, to the letter as it is sent. Exits with 1 where one of them would be refused."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path, help="where the documents are, at any depth")
        parser.add_argument("--output", type=Path, help="file to write (default: print it)")

    def handle(self, *args: Any, folder: Path, output: Path | None, **options: Any) -> None:
        files = sorted(each for each in folder.rglob("*.graphql") if each.is_file())
        if not files:
            raise CommandError(f"There is no *.graphql file in {folder}.")
        documents: dict[str, str] = {}
        wrong: list[str] = []
        schema = graphene_settings.SCHEMA.graphql_schema
        for file in files:
            try:
                # As bytes: what a line ends with is part of what is sent.
                text = file.read_bytes().decode()
            except UnicodeDecodeError:
                wrong.append(f"{file}: it is not UTF-8.")
                continue
            documents[digest_of(text)] = text
            wrong += [f"{file}{_place(each)}: {each.message}" for each in _errors(schema, text)]
        if wrong:
            raise CommandError("\n".join(wrong))
        listed = json.dumps(documents, indent=2, ensure_ascii=False)
        if output is None:
            self.stdout.write(listed)
        else:
            output.write_text(f"{listed}\n", encoding="utf-8")


def _errors(schema: GraphQLSchema, text: str) -> Iterator[GraphQLError]:
    try:
        document = valid(schema, text)
        for operation in document.operations.values():
            # What the others cost depends on their variables.
            if not operation.variable_definitions:
                hold_cost(Cost(schema, document.fragments, {}).of(operation), spent=0)
    except Invalid as invalid:
        yield from invalid.errors
    except GraphQLError as error:
        yield error


def _place(error: GraphQLError) -> str:
    return "".join(f":{each.line}:{each.column}" for each in (error.locations or [])[:1])
