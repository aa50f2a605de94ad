"""`manage.py forget_customer CODE`: forget a person in all apps, and report what became of it."""

import json
import shlex
from argparse import ArgumentParser
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from django.core.management import BaseCommand, CommandError

from core.errors import DomainError
from core.forgetting import Erasure, Mention
from core.phones import parse_phone
from customers.services import Person, Report, find_people, forget_people


class Command(BaseCommand):
    help = (
        "Forget a person in all apps at once, in one transaction, and report what was emptied, what"
        " was deleted, what is kept and why. Orders, bookings and amounts stay for the books."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("codes", nargs="*", metavar="CODE", help="Code of a customer.")
        parser.add_argument(
            "--phone",
            default="",
            help="Whoever has this number, also who is no customer and only wrote to the shop.",
        )
        parser.add_argument(
            "--email", default="", metavar="ADDRESS", help="Whoever has this e-mail address."
        )
        parser.add_argument(
            "--all", action="store_true", help="All whom the number or the address is of."
        )
        parser.add_argument(
            "--delete-mentions",
            action="store_true",
            help="Delete what else says their number or address as well; else it is listed.",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="Do it all, report it, and undo it."
        )
        parser.add_argument("--json", action="store_true", help="Report as JSON.")

    def handle(self, *args: Any, **options: Any) -> None:
        codes, email = options["codes"], options["email"].strip().lower()
        if [bool(codes), bool(options["phone"]), bool(email)].count(True) != 1:
            raise CommandError("Give codes of customers, or --phone, or --email.")
        try:
            phone = parse_phone(options["phone"]) if options["phone"] else ""
            people = _people(codes, phone=phone, email=email, everybody=options["all"])
            report = forget_people(
                people=people,
                phone=phone,
                email=email,
                delete_mentions=options["delete_mentions"],
                dry_run=options["dry_run"],
            )
        except DomainError as error:
            raise CommandError(error.detail) from None
        if options["json"]:
            self.stdout.write(json.dumps(_as_json(report, dry_run=options["dry_run"]), indent=2))
            return
        for line in _lines(report, dry_run=options["dry_run"], asked=phone or email):
            self.stdout.write(line)


def _people(codes: Sequence[str], *, phone: str, email: str, everybody: bool) -> list[Person]:
    people, unknown = find_people(codes=codes, phone=phone, email=email)
    if unknown:
        raise CommandError(f"There is no customer {', '.join(unknown)}.")
    if not codes and len(people) > 1 and not everybody:
        whose = "\n".join(f"  {each}" for each in people)
        raise CommandError(
            f"{phone or email} is of several:\n{whose}\nGive the codes of those who are meant, or"
            " --all."
        )
    return people


def _lines(report: Report, *, dry_run: bool, asked: str) -> Iterable[str]:
    yield _headline(report, dry_run=dry_run, asked=asked)
    if rows := _rows(report):
        yield ""
        yield from _table(rows)
        if any(each.blanked for each in rows):
            yield "An emptied row stays, without what it said of them."
    if report.shared:
        yield ""
        yield (
            f"Somebody else has {', '.join(report.shared)} too: what is known by that alone stays."
        )
    if report.mentions:
        yield ""
        yield from _mentions(report.mentions, dry_run=dry_run)
    yield ""
    yield "What is not reached:"
    yield from (f"  {each}" for each in report.beyond)
    if dry_run:
        yield ""
        yield "Nothing was changed: this was a dry run."


def _headline(report: Report, *, dry_run: bool, asked: str) -> str:
    whom = "; ".join(map(str, report.people))
    if not report.is_nothing:
        whom = whom or f"no customer; what is known by {asked} alone."
        return f"Would be forgotten: {whom}" if dry_run else f"Forgotten: {whom}"
    if whom:
        return f"Nothing is left to forget: {whom}, forgotten before."
    return f"Nobody has {asked}, and nothing is known by it alone: nothing is left to forget."


def _mentions(mentions: Sequence[Mention], *, dry_run: bool) -> Iterable[str]:
    yield "What else says their number or address:"
    for each in mentions:
        done = "deleted" if each.deleted else "kept"
        more = ", …" if each.count > len(each.keys) else ""
        yield f"  {each.of}, {each.app}: {_counted(each)}, {done}: {', '.join(each.keys)}{more}"
    kept = dict.fromkeys(each.of for each in mentions if not each.deleted)
    if kept and dry_run:
        yield "With --delete-mentions they are deleted as well."
    elif kept:
        # Of who is forgotten, the code leads to neither any more.
        yield "These delete them:"
        for of in kept:
            option = "--email" if "@" in of else "--phone"
            yield f"  manage.py forget_customer {option} {shlex.quote(of)} --delete-mentions"


def _counted(mention: Mention) -> str:
    what = mention.what
    if mention.count == 1:
        # "interactions", "lines set aside": the first word is what is counted.
        first, space, rest = what.partition(" ")
        what = f"{first.removesuffix('s')}{space}{rest}"
    return f"{mention.count:,} {what}"


def _rows(report: Report) -> list[Erasure]:
    ordered = sorted(report.erasures, key=lambda each: (each.app, each.what))
    return [each for each in ordered if each.blanked or each.deleted or each.kept]


def _table(erasures: Iterable[Erasure]) -> Iterable[str]:
    head = ("App", "What", "Deleted", "Emptied", "Left as it was", "What stays, and why")
    rows = [
        (
            each.app,
            each.what,
            str(each.deleted or "-"),
            str(each.blanked or "-"),
            str(each.untouched or "-"),
            each.reason if each.kept else "",
        )
        for each in erasures
    ]
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for row in (head, *rows):
        cells = [
            cell.rjust(width) if 2 <= index <= 4 else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()


def _as_json(report: Report, *, dry_run: bool) -> dict[str, Any]:
    return {
        "dry_run": dry_run,
        "nothing_left": report.is_nothing,
        "people": [
            {"code": each.code, "account": each.user_id is not None} for each in report.people
        ],
        "done": [
            {name: value for name, value in asdict(each).items() if name != "beyond"}
            for each in _rows(report)
        ],
        "shared": list(report.shared),
        "mentions": [asdict(each) for each in report.mentions],
        "not_reached": report.beyond,
    }
