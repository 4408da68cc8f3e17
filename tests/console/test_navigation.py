import re

import pytest
from django.test import Client
from django.urls import reverse

from console.navigation import SECTIONS, section_of
from console.urls import urlpatterns
from customers.models import User

ACTS = {
    "add_on",
    "backfill_close",
    "backfill_discard",
    "backfill_rejected",
    "backfill_revert",
    "cancel_move",
    "carry_correction",
    "cut_off_links",
    "decide",
    "end_add_on",
    "finalize",
    "invoice_pdf",
    "look_again",
    "own_terms",
    "pay",
    "publish",
    "re_rating_apply",
    "retire",
    "revoke_key",
    "subscription_cancel",
    "subscription_change",
    "uncollectible",
    "void",
    "void_grant",
    *("replay", "discard", "settle_refused"),
    *("unmatched_create", "unmatched_assign", "unmatched_discard", "send_events"),
}


@pytest.fixture
def operator(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("ops@example.com", "a long enough password"))
    return client


def test_every_page_belongs_to_a_section() -> None:
    lost = [str(pattern.name) for pattern in urlpatterns if section_of(str(pattern.name)) is None]
    assert set(lost) == ACTS


def test_no_name_stands_in_two_places() -> None:
    names = [name for section in SECTIONS for page in section.pages for name in (page.name, *page.below)]
    assert len(names) == len(set(names))


def test_each_link_leads_to_a_page_that_marks_it(operator: Client) -> None:
    for section in SECTIONS:
        for page in section.pages:
            answer = operator.get(reverse(f"console:{page.name}")).content.decode()
            marked = re.findall(r'<a href="[^"]*" aria-current="(?:page|true)">([^<]*)</a>', answer)
            expected = [section.label, page.label] if len(section.pages) > 1 else [section.label]
            assert marked == expected
