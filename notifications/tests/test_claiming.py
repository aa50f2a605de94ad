"""Claim and begin: no two workers ever have the same message in hand."""

import threading
import uuid
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from notifications.models import Message
from notifications.services import claim_messages, deliver_due_messages

from .factories import MessageFactory
from .outbox import Between, begin, begun, claim_one, let_leases_pass, now_of, statuses


@pytest.mark.django_db
class TestClaiming:
    def test_a_claim_stamps_a_fence_and_lasts_for_the_lease(self, settings):
        settings.MESSAGE_LEASE_SECONDS = 45
        MessageFactory.create()

        with Between() as window:
            message = claim_one()

        row = now_of(message)
        assert isinstance(row.fence, uuid.UUID)
        assert row.fence == message.fence
        assert window.holds(row.due_at, plus=45)
        assert (row.status, row.attempts) == ("queued", 0)

    def test_the_oldest_come_first_and_no_more_than_asked_for(self):
        now = timezone.now()
        # As they were written, whatever one had to wait for since.
        first = MessageFactory.create(due_at=now - timedelta(seconds=1))
        second = MessageFactory.create(due_at=now - timedelta(seconds=9))
        later = MessageFactory.create(due_at=now - timedelta(seconds=5))

        assert claim_messages(limit=2) == [first, second]
        assert claim_messages(limit=2) == [later]
        assert claim_messages(limit=2) == []

    def test_two_claims_have_two_fences(self):
        MessageFactory.create_batch(3)

        one, two = claim_messages(limit=2)
        three = claim_one()

        assert one.fence == two.fence != three.fence

    def test_what_waits_for_its_time_is_left(self):
        MessageFactory.create(due_at=timezone.now() + timedelta(seconds=30))

        assert claim_messages(limit=5) == []

    @pytest.mark.parametrize(
        "status", ["sending", "sent", "delivered", "failed", "parked", "unknown", "suppressed"]
    )
    def test_only_what_is_queued_is_claimed(self, status):
        MessageFactory.create(status=status, due_at=timezone.now() - timedelta(days=1))

        assert claim_messages(limit=5) == []

    def test_when_the_lease_has_passed_another_claims_it(self):
        MessageFactory.create()
        first = claim_one()
        let_leases_pass()

        second = claim_one()

        assert second == first
        assert second.fence != first.fence


@pytest.mark.django_db(transaction=True)
class TestClaimingAtOnce:
    def test_what_one_is_just_claiming_another_passes_over_without_waiting(self):
        messages = MessageFactory.create_batch(6)
        others = []

        def claim():
            others.extend(claim_messages(limit=10))
            connection.close()

        with transaction.atomic():
            mine = claim_messages(limit=4)
            # Its locks are held still, so this would not end if it waited for them.
            thread = threading.Thread(target=claim)
            thread.start()
            thread.join(60)
            assert not thread.is_alive()

        assert mine == messages[:4]
        assert others == messages[4:]

    def test_no_two_claimers_ever_get_the_same_message(self):
        messages = MessageFactory.create_batch(120)
        start = threading.Barrier(6)
        claims = []

        def claim_until_none_is_left():
            start.wait()
            while claimed := claim_messages(limit=3):
                claims.append([message.pk for message in claimed])
            connection.close()

        threads = [threading.Thread(target=claim_until_none_is_left) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)

        assert sorted(pk for claim in claims for pk in claim) == [each.pk for each in messages]

    def test_workers_side_by_side_send_each_message_once(self, gateway):
        messages = MessageFactory.create_batch(60)
        start = threading.Barrier(4)
        delivered = []

        def work():
            start.wait()
            delivered.append(deliver_due_messages())
            connection.close()

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)

        assert sum(delivered) == 60
        assert sorted(entry["to"] for entry in gateway.book()) == [each.to for each in messages]
        assert set(statuses()) == {"sent"}


@pytest.mark.django_db
class TestBeginning:
    def test_it_is_sending_counts_a_try_and_starts_a_new_lease(self, gateway, settings):
        settings.MESSAGE_LEASE_SECONDS = 45
        MessageFactory.create()
        message = claim_one()
        Message.objects.update(due_at=timezone.now() + timedelta(seconds=2))

        with Between() as window:
            assert begin(message) is True

        row = now_of(message)
        assert (row.status, row.attempts, row.transport) == ("sending", 1, "africastalking")
        assert window.holds(row.due_at, plus=45)

    def test_a_worker_whose_lease_has_passed_may_not_begin(self):
        MessageFactory.create()
        message = claim_one()
        let_leases_pass()

        assert begin(message) is False
        assert (now_of(message).status, now_of(message).attempts) == ("queued", 0)

    def test_a_late_worker_may_not_begin_what_another_has_claimed(self):
        MessageFactory.create()
        late = claim_one()
        let_leases_pass()
        other = claim_one()

        assert begin(late) is False
        assert begin(other) is True
        assert begin(late) is False

    def test_no_claim_begins_twice(self):
        message = begun()

        assert begin(message) is False
        assert now_of(message).attempts == 1
