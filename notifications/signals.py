"""What notifications themselves tell: answers to words that somebody wrote."""

from core.events import Event

_VARIABLES = {"shop": "Duka"}

# By the meaning of the word.
ANSWERS = {
    "stop": Event(
        "consent.stopped",
        texts={
            "en": "{shop}: you will hear from us no more. Write START to hear from us again.",
            "sw": "{shop}: hutapokea ujumbe tena kutoka kwetu. Andika ANZA ili kupokea tena.",
        },
        variables=_VARIABLES,
        answer=True,
    ),
    "start": Event(
        "consent.started",
        texts={
            "en": "{shop}: you will hear from us again about your orders. Write STOP to end it.",
            "sw": "{shop}: utapokea tena habari za oda zako. Andika ACHA ili kusitisha.",
        },
        variables=_VARIABLES,
        answer=True,
    ),
    "help": Event(
        "consent.help",
        texts={
            "en": "{shop}: we write about your orders. STOP ends it, START begins it again.",
            "sw": "{shop}: tunaandika kuhusu oda zako. ACHA husitisha, ANZA huanzisha tena.",
        },
        variables=_VARIABLES,
        answer=True,
    ),
}
