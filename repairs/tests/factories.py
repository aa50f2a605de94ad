"""Sources and jobs for tests."""

from datetime import date

import factory

from repairs.models import Job, Source, looked_for
from repairs.states import JobStatus


class SourceFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Source
        django_get_or_create = ("name",)

    name = "workshop"


class JobFactory(factory.django.DjangoModelFactory):
    """A job that came and was opened; `statuses` are all that it went through."""

    class Meta:
        model = Job

    class Params:
        statuses = ("NEW", "OPENED")

    source = factory.SubFactory(SourceFactory)
    key = factory.Sequence(lambda n: 123 + n)
    status = factory.LazyAttribute(lambda o: JobStatus(o.statuses[-1]))
    client_status = factory.LazyAttribute(lambda o: o.statuses[-1])
    job_date = date(2022, 3, 21)
    job_type = "Repair"
    firstname = "John"
    lastname = "Smith"
    postcode = "SG13 7TZ"
    mobile = "+447770 123456"
    product_sku = "123"
    product_type = "spider catcher"
    phone = "+447770123456"
    updates = factory.LazyAttribute(
        lambda o: [
            {"at": f"2022-03-21T07:0{n}:00+00:00", "status": word, "by": "client"}
            for n, word in enumerate(o.statuses)
        ]
    )

    @factory.lazy_attribute
    def client_key(self):
        return looked_for(firstname=self.firstname, lastname=self.lastname, postcode="", mobile="")[
            "client_key"
        ]

    @factory.lazy_attribute
    def postcode_key(self):
        return "".join(self.postcode.upper().split())

    @factory.lazy_attribute
    def phone_key(self):
        return looked_for(firstname="", lastname="", postcode="", mobile=self.mobile)["phone_key"]
