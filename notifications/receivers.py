"""Every declared event becomes a message in the outbox. No network here."""

from typing import Any

from core.events import Event, Notice, all_events
from core.jobs import enqueue_on_commit

from .services import queue_message
from .tasks import deliver_messages


def on_event(*, event: Event, notice: Notice, **_: Any) -> None:
    queue_message(event=event, notice=notice)
    enqueue_on_commit(deliver_messages)


for _event in all_events():
    _event.connect(on_event, dispatch_uid="notifications.on_event")
