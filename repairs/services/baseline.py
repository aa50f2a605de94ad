"""What was in a client's table before us: taken in page by page, and nobody is told.

The pages are copied, as there may be millions of rows: no model is made, no phone looked at. While
one is copied the next is read.
"""

import io
import json
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Now

from core import clock
from repairs.clients import Row
from repairs.models import LARGEST_KEY, Job, Source, looked_for

from .documents import documents_changed
from .leasing import hold
from .reading import LONGEST, LONGEST_SKU, Bad, kept_key, last_key
from .rounds import Run
from .storing import known_keys, life_of, set_aside, sort_out

PAGE = 10_000
# The contract's columns: of the key, and of the word.
_KEY, _WORD, _SKU = 0, 2, 7
# All texts but the word, in the contract's order.
_TEXTS = (
    "job_type",
    "firstname",
    "lastname",
    "postcode",
    "mobile",
    "product_sku",
    "product_type",
)
_LOOKED_FOR = ("client_key", "postcode_key", "phone_key")
_BY_WORD = ("status", "client_status", "updates")
_ALIKE = (
    "source_id",
    "job_date",
    "phone",
    "phone_error",
    "baseline",
    "write_due",
    "conflict",
    "collected_at",
    "updated_at",
)
_COPY = "COPY repairs_job ({}) FROM STDIN".format(
    ", ".join(["key", "key_text", *_TEXTS, *_LOOKED_FOR, *_BY_WORD, *_ALIKE])
)
_NULL = "\\N"
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})

# Columns: the keys, then their `key_text`s, and the other texts in the contract's order.
Columns = tuple[Sequence[int], list[Sequence[str]]]


def take_baseline(run: Run) -> bool:
    """Take in what was there when we first asked; return whether all of it is here.

    Raises:
        LeaseLost: another collector has the source by now.
    """
    source, client = run.source, run.client
    if source.baselined_at is not None:
        return True
    if source.baseline_to is None:
        highest = client.highest_key()
        if highest is None:
            hold(source, baselined_at=Now())
            source.baselined_at = clock.now()
            return True
        hold(source, baseline_to=kept_key(highest))
    limit = run.page(PAGE)

    def read(after: Any) -> list[Row]:
        return client.rows(after=after, up_to=source.baseline_to, limit=limit)

    with ThreadPoolExecutor(1, "baseline") as ahead:
        coming = ahead.submit(read, source.baseline_after)
        while True:
            rows = coming.result()
            last = last_key(rows, limit)
            if last is not None:
                coming = ahead.submit(read, last)
            run.result.collected += _copy_page(run, rows)
            if last is None:
                break
            if run.leave_the_rest():
                return False
    hold(source, baselined_at=Now())
    source.baselined_at = clock.now()
    return True


def _copy_page(run: Run, rows: Sequence[Row]) -> int:
    if not rows:
        return 0
    source = run.source
    columns, bad = _columns_of(run, rows)
    with transaction.atomic():
        hold(source, baseline_after=kept_key(rows[-1].job_id))
        if bad:
            set_aside(source, bad, seen_since=clock.now(), baseline=True)
        (keys, texts) = _without_known(source, columns)
        if keys:
            with connection.cursor() as cursor:
                cursor.copy_expert(_COPY, io.BytesIO(_text_of(run, keys, texts)))
        if settings.MONGO_URL:
            theirs = Job.objects.filter(source=source, key__in=keys)
            documents_changed(list(theirs.values_list("pk", flat=True)))
        Source.objects.filter(pk=source.pk).update(collected=F("collected") + len(keys))
    return len(keys)


def _columns_of(run: Run, rows: Sequence[Row]) -> tuple[Columns, list[Bad]]:
    columns = list(zip(*rows, strict=True))
    keys, texts = columns[_KEY], [_texts_of(cells) for cells in columns[1:]]
    if (
        _are_keys(keys)
        and all(map(_is_plain, texts))
        and max(map(len, texts[_SKU - 1])) <= LONGEST_SKU
        and all(map(run.reader.meaning, set(texts[_WORD - 1])))
    ):
        return (keys, [[""] * len(keys), *texts]), []
    # Something is odd: one by one.
    good, bad = run.reader.read_all(rows)
    good, doubled = sort_out(run.source, good)
    one_by_one = list(zip(*(each.cells for each in good), strict=True)) or [()] * len(columns)
    own_keys = [each.own_key or "" for each in good]
    return ([each.key for each in good], [own_keys, *one_by_one[1:]]), [*bad, *doubled]


def _are_keys(keys: Sequence[Any]) -> bool:
    return (
        set(map(type, keys)) == {int}
        and min(keys) >= 0
        and max(keys) <= LARGEST_KEY
        and len(set(keys)) == len(keys)
    )


def _texts_of(cells: Sequence[Any]) -> Sequence[Any]:
    kinds = set(map(type, cells))
    if kinds == {str, type(None)} or kinds == {type(None)}:
        return [cell or "" for cell in cells]
    return list(map(str, cells)) if kinds == {int} else cells


def _is_plain(cells: Sequence[Any]) -> bool:
    """Tell whether all are texts that can be stored as they are."""
    if set(map(type, cells)) != {str} or max(map(len, cells)) > LONGEST:
        return False
    text = "".join(cells)
    return "\x00" not in text and not any("\ud800" <= char <= "\udfff" for char in set(text))


def _without_known(source: Source, columns: Columns) -> Columns:
    """Leave out what another collector, whose lease had passed, took in before us."""
    keys, texts = columns
    if (
        not keys
        or not Job.objects.filter(source=source, key__range=(min(keys), max(keys))).exists()
    ):
        return columns
    known = known_keys(source, keys)
    kept = [n for n, key in enumerate(keys) if key not in known]
    return [keys[n] for n in kept], [[cells[n] for n in kept] for cells in texts]


def _text_of(run: Run, keys: Sequence[int], texts: list[Sequence[str]]) -> bytes:
    """Return the page in COPY's form."""
    own, job_type, words, firstnames, lastnames, postcodes, mobiles, skus, product_types = texts
    looked = [
        looked_for(firstname=first, lastname=last, postcode=postcode, mobile=mobile).values()
        for first, last, postcode, mobile in zip(
            firstnames, lastnames, postcodes, mobiles, strict=True
        )
    ]
    columns = [
        *(own, job_type, firstnames, lastnames, postcodes, mobiles, skus, product_types),
        *zip(*looked, strict=True),
    ]
    now = clock.now().isoformat()
    alike = [str(run.source.pk), str(clock.today()), _NULL, "", "t", "f", "", now, now]
    ends = {word: "\t".join([*_by_word(run, word), *alike]) for word in set(words)}
    lines = map(
        "\t".join,
        zip(
            map(str, keys),
            *map(_escaped, columns),
            [ends[word] for word in words],
            strict=True,
        ),
    )
    return "\n".join([*lines, ""]).encode()


def _by_word(run: Run, word: str) -> Iterable[str]:
    status = run.reader.meaning(word)
    assert status is not None  # noqa: S101  rows of unknown words are set aside
    updates = json.dumps(life_of(status, word, baseline=True))
    return (status.value, word.translate(_ESCAPES), updates.translate(_ESCAPES))


def _escaped(cells: Sequence[str]) -> Sequence[str]:
    text = "".join(cells)
    if any(char in text for char in "\\\t\n\r"):
        return [cell.translate(_ESCAPES) for cell in cells]
    return cells
