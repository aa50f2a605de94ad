"""The user, as other systems know them."""

import uuid

import pytest
from django.core.exceptions import FieldError
from django.db import IntegrityError, connection, transaction
from django.forms import modelform_factory
from django.urls import reverse

from accounts.models import User

from .factories import SuperuserFactory, UserFactory, browser_of


@pytest.mark.django_db
def test_every_user_gets_a_random_subject_of_their_own():
    subjects = {user.subject for user in UserFactory.create_batch(20)}

    assert len(subjects) == 20
    assert {subject.version for subject in subjects} == {4}


@pytest.mark.django_db
def test_users_made_by_the_manager_get_a_subject_too():
    people = [User.objects.create_user("amina"), User.objects.create_superuser("boss")]

    assert [type(user.subject) for user in people] == [uuid.UUID, uuid.UUID]


@pytest.mark.django_db
def test_database_refuses_a_second_user_with_a_subject():
    first, second = UserFactory.create_batch(2)

    with pytest.raises(IntegrityError, match="subject"), transaction.atomic():
        UserFactory.create(subject=first.subject)
    with pytest.raises(IntegrityError, match="subject"), transaction.atomic():
        User.objects.filter(pk=second.pk).update(subject=first.subject)
    with (
        pytest.raises(IntegrityError, match="subject"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute("UPDATE accounts_user SET subject = NULL WHERE id = %s", [second.pk])


@pytest.mark.django_db
def test_subject_outlives_a_new_name_password_and_deactivation():
    user = UserFactory.create(username="amina")
    subject = user.subject

    user = User.objects.get(pk=user.pk)
    user.username, user.email, user.is_active = "amina.new", "amina@example.com", False
    user.set_password("another long password")
    user.save()

    assert User.objects.get(username="amina.new").subject == subject


def test_subject_can_be_in_no_form():
    with pytest.raises(FieldError, match="non-editable"):
        modelform_factory(User, fields=["subject"])


@pytest.mark.django_db
def test_subject_cannot_be_typed_in_by_the_admin():
    client = browser_of(SuperuserFactory.create())
    user = UserFactory.create(username="amina")

    response = client.post(
        reverse("admin:accounts_user_change", args=[user.pk]),
        {
            "username": "amina2",
            "subject": str(uuid.uuid4()),
            "date_joined_0": "2026-11-21",
            "date_joined_1": "08:00:00",
            "identities-TOTAL_FORMS": 0,
            "identities-INITIAL_FORMS": 0,
        },
    )

    assert response.status_code == 302
    changed = User.objects.get(pk=user.pk)
    assert (changed.username, changed.subject) == ("amina2", user.subject)
