from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from core import limits
from core.problems import Invalid
from customers.api_keys import KEY_CHARACTERS, authenticate, create_api_key, revoke_api_key
from customers.customers import create_customer
from customers.models import ApiKey

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
pytestmark = pytest.mark.django_db


def test_a_key_tells_who_holds_it() -> None:
    acme = create_customer(key="acme", name="Acme", now=NOW)
    _, operators = create_api_key(name="a", scopes=["read"], now=NOW)
    _, acmes = create_api_key(name="b", scopes=["write", "ingest", "write"], now=NOW, customer=acme)
    operator, customer = authenticate(operators, NOW), authenticate(acmes, NOW)
    assert operator and operator.is_operator and operator.scopes == {"read"}
    assert customer and customer.customer_id == acme.id and customer.scopes == {"ingest", "write"}


def test_the_key_itself_is_not_kept() -> None:
    key, plaintext = create_api_key(name="a", scopes=["read"], now=NOW)
    assert len(plaintext) == KEY_CHARACTERS
    assert plaintext.startswith(key.prefix)
    assert plaintext[len(key.prefix) + 1 :].encode() not in bytes(key.digest)


def test_a_key_with_one_character_changed_opens_nothing() -> None:
    _, plaintext = create_api_key(name="a", scopes=["read"], now=NOW)
    for place in (0, 5, len(plaintext) - 1):
        other = "A" if plaintext[place] != "A" else "B"
        assert authenticate(plaintext[:place] + other + plaintext[place + 1 :], NOW) is None
    assert authenticate("", NOW) is None
    assert authenticate("\x00" * KEY_CHARACTERS, NOW) is None


def test_a_key_is_worthless_under_another_secret(settings: Any) -> None:
    _, plaintext = create_api_key(name="a", scopes=["read"], now=NOW)
    settings.SECRET_KEY = "another secret, which has at least 32 characters"
    assert authenticate(plaintext, NOW) is None


def test_a_revoked_key_is_worthless_here_at_once() -> None:
    key, plaintext = create_api_key(name="a", scopes=["read"], now=NOW)
    assert authenticate(plaintext, NOW)
    revoke_api_key(key, now=NOW)
    assert authenticate(plaintext, NOW) is None


def test_a_key_revoked_by_another_process_is_worthless_after_the_cache_ran_out() -> None:
    key, plaintext = create_api_key(name="a", scopes=["read"], now=NOW)
    assert authenticate(plaintext, NOW)
    ApiKey.objects.filter(pk=key.pk).update(revoked_at=NOW)
    assert authenticate(plaintext, NOW + timedelta(seconds=limits.API_KEY_CACHE_SECONDS - 1))
    assert authenticate(plaintext, NOW + timedelta(seconds=limits.API_KEY_CACHE_SECONDS)) is None


def test_a_key_just_seen_costs_no_query(django_assert_num_queries: object) -> None:
    _, plaintext = create_api_key(name="a", scopes=["read"], now=NOW)
    authenticate(plaintext, NOW)
    with django_assert_num_queries(0):  # type: ignore[operator]
        assert authenticate(plaintext, NOW)


@pytest.mark.parametrize("scopes", [[], ["admin"], ["read", "READ"]])
def test_unknown_scopes_are_refused(scopes: list[str]) -> None:
    with pytest.raises(Invalid):
        create_api_key(name="a", scopes=scopes, now=NOW)


def test_the_command_prints_the_new_key_as_its_last_line() -> None:
    out = StringIO()
    call_command("create_api_key", scopes="ingest,read,write", stdout=out)
    credential = authenticate(out.getvalue().splitlines()[-1], NOW)
    assert credential and credential.is_operator and credential.scopes == {"ingest", "read", "write"}


def test_the_command_makes_a_key_for_one_customer() -> None:
    acme = create_customer(key="acme", name="Acme", now=NOW)
    out = StringIO()
    call_command("create_api_key", scopes="read", customer="acme", name="dashboard", stdout=out)
    credential = authenticate(out.getvalue().splitlines()[-1], NOW)
    assert credential and credential.customer_id == acme.id


@pytest.mark.parametrize(
    "options", [{"scopes": "admin"}, {"scopes": ""}, {"scopes": "read", "customer": "nobody"}]
)
def test_the_command_says_what_is_wrong(options: dict[str, str]) -> None:
    with pytest.raises(CommandError):
        call_command("create_api_key", **options)
