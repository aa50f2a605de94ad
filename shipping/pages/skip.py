"""Leaving out one date of a standing order by the link of a message, without signing in."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import translation
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from core import clock, status_pages
from shipping import services
from shipping.exceptions import NoSuchDate

_WORDS = {
    "en": {
        "title": "Standing order {number}",
        "coming": "Comes on {date}",
        "skipped": "Not this time: {date} is left out.",
        "late": "It is too late to leave out {date}.",
        "over": "This link is over: {date} has passed.",
        "button": "Not this time",
        "total": "In all, as of now",
        "nothing": "There is nothing here",
        "wrong": "This link is not right.",
    },
    "sw": {
        "title": "Oda ya kudumu {number}",
        "coming": "Inakuja {date}",
        "skipped": "Si safari hii: {date} imeachwa.",
        "late": "Umechelewa kuacha {date}.",
        "over": "Kiungo hiki kimeisha: {date} imepita.",
        "button": "Si safari hii",
        "total": "Jumla kwa sasa",
        "nothing": "Hakuna kitu hapa",
        "wrong": "Kiungo hiki si sahihi.",
    },
}


# Who has the address may do it, and nobody can send a browser to it who has not.
@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def skip(request: HttpRequest, token: str) -> HttpResponse:
    """Show what comes on a date; only the button leaves it out, as phones look at links ahead."""
    found = services.find_by_skip_link(token)
    language = found[0].customer.language if found else settings.LANGUAGE_CODE
    language = language if language in _WORDS else "en"
    words = _WORDS[language]
    if found is None:
        page = {"title": words["nothing"], "state": words["wrong"]}
        return _answer(request, language, {"page": page}, status=404)
    standing, on = found
    said = {name: text.format(number=standing.number, date=on) for name, text in words.items()}
    context: dict[str, Any] = {}
    if on < clock.today():
        state = "over"
    elif request.method == "POST":
        try:
            services.skip_date(standing_order_id=standing.pk, on=on, by=None)
            state = "skipped"
        except NoSuchDate:
            state = "late"
    else:
        state = services.how_it_stands(standing, on)
    page = {"title": said["title"], "state": said[state]}
    if state == "coming":
        page |= {"button": said["button"], "total": said["total"]}
        context["items"] = standing.items.select_related("variant__product")
        context["total"] = services.said_total(standing)
    return _answer(request, language, {"page": page, **context})


def _answer(
    request: HttpRequest, language: str, context: dict[str, Any], *, status: int = 200
) -> HttpResponse:
    with translation.override(language):
        response = render(
            request, "shipping/skip.html", {"language": language, **context}, status=status
        )
    status_pages.keep_private(response)
    return response
