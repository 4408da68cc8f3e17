from decimal import Decimal

import pytest
from django.test import Client

from billing.models import AddOn, CreditGrant, Subscription
from core.clock import now as present
from core.ids import public_id
from customers.models import ApiKey
from pricing.plan_terms import read_terms
from pricing.plans import create_plan, publish_version
from tests.portal.world import Company, a_member


@pytest.fixture
def path(acme: Company) -> str:
    subscription = Subscription.objects.get(customer=acme.customer)
    return f"/console/customers/{acme.customer.id}/subscriptions/{public_id('sub', subscription.id)}"


@pytest.fixture
def other_plan(acme: Company) -> None:
    body = {"key": "max", "name": "Max", "currency": "USD", "fee": "99"}
    publish_version(create_plan(read_terms(body), now=present()), now=present())


class TestSubscription:
    def test_another_plan_is_compared_before_it_is_changed(
        self, operator: Client, path: str, other_plan: None
    ) -> None:
        page = operator.get(path, {"plan": "max"}).content.decode()
        assert "<strong>Max v1</strong> would have made" in page and "<strong>$99.00</strong>" in page
        answer = operator.post(f"{path}/change", {"plan": "max", "when": "period_end"}, follow=True)
        assert "The plan becomes Max v1 with its next period." in answer.content.decode()

    def test_a_plan_that_is_not_on_sale_changes_nothing(self, operator: Client, path: str) -> None:
        page = operator.post(f"{path}/change", {"plan": "nothing"}, follow=True).content.decode()
        assert "Not changed: plan:" in page

    def test_it_is_ended_with_its_period(self, operator: Client, path: str) -> None:
        page = operator.post(f"{path}/cancel", follow=True).content.decode()
        assert "It ends with this period." in page
        row = Subscription.objects.get(key="main", customer__key="acme")
        assert row.ends_at == row.period_end

    def test_its_own_terms_go_over_the_plans(self, operator: Client, path: str) -> None:
        asked = {
            "discount_percent": "10",
            "commitment.amount": "100",
            "margin_floor.rate": "0.2",
            "when": "now",
        }
        page = operator.post(f"{path}/own-terms", asked, follow=True).content.decode()
        assert "Its own terms are set." in page and 'value="10"' in page and 'value="0.2"' in page
        assert Subscription.objects.get(customer__key="acme").overrides["commitment"] == {"amount": "100"}
        operator.post(f"{path}/own-terms", {"when": "now"})
        assert Subscription.objects.get(customer__key="acme").overrides == {}

    def test_wrong_own_terms_are_named(self, operator: Client, path: str) -> None:
        page = operator.post(f"{path}/own-terms", {"discount_percent": "200"}, follow=True).content.decode()
        assert "Not set: overrides.discount_percent" in page

    def test_an_add_on_is_added_once_and_ended(self, operator: Client, path: str) -> None:
        asked = {"key": "backups", "name": "Backups", "amount": "20", "recurring": "true", "once": "m"}
        for _ in range(2):
            page = operator.post(f"{path}/add-ons", asked, follow=True).content.decode()
            assert "Backups is added" in page
        assert AddOn.objects.count() == 1
        assert "Backups" in operator.get("/console/add-ons").content.decode()
        operator.post(f"{path}/add-ons/end", {"key": "backups", "when": "now"})
        assert AddOn.objects.get().ends_at is not None
        assert "No add-on runs" in operator.get("/console/add-ons").content.decode()

    def test_the_file_of_add_ons_can_be_opened_safely(self, operator: Client, path: str) -> None:
        operator.post(f"{path}/add-ons", {"key": "x", "name": "=1+1", "amount": "1", "recurring": "true"})
        answer = operator.get("/console/add-ons", {"format": "csv"})
        assert "'=1+1" in b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]

    def test_one_is_started_for_a_customer(self, operator: Client, globex: Company, other_plan: None) -> None:
        start = f"/console/customers/{globex.customer.id}/subscriptions/new"
        assert "Max v1" in operator.get(start).content.decode()
        page = operator.post(
            start, {"plan": "max", "key": "second", "once": "m"}, follow=True
        ).content.decode()
        assert "Globex has Max v1 now." in page
        operator.post(start, {"plan": "max", "key": "second", "once": "m"})
        assert Subscription.objects.filter(customer=globex.customer).count() == 2

    def test_another_customers_subscription_is_not_there(
        self, operator: Client, path: str, acme: Company, globex: Company
    ) -> None:
        elsewhere = path.replace(f"/{acme.customer.id}/", f"/{globex.customer.id}/")
        assert operator.get(elsewhere).status_code == 404
        assert operator.post(f"{elsewhere}/cancel").status_code == 404

    def test_no_one_but_staff_acts(self, acme: Company, path: str, client: Client) -> None:
        client.force_login(a_member(acme, "ann@acme.example"))
        for act in ("change", "cancel", "own-terms", "add-ons", "add-ons/end"):
            assert client.post(f"{path}/{act}").status_code == 403
        customer = f"/console/customers/{acme.customer.id}"
        for end in ("credits", "credits/grant_x/void", "subscriptions/new", "api-keys/1/revoke"):
            assert client.post(f"{customer}/{end}").status_code == 403

    def test_reading_acts_on_nothing(self, operator: Client, path: str) -> None:
        for act in ("change", "cancel", "own-terms", "add-ons", "add-ons/end"):
            assert operator.get(f"{path}/{act}").status_code == 405


class TestCredits:
    def test_credits_are_given_once(self, operator: Client, acme: Company) -> None:
        path = f"/console/customers/{acme.customer.id}/credits"
        asked = {"amount": "250.5", "name": "Sorry", "last": "2030-12-31", "once": "m", "reason": "outage"}
        for _ in range(2):
            page = operator.post(path, asked, follow=True).content.decode()
            assert "250.5 credits are given to Acme." in page and "outage" in page
        grant = CreditGrant.objects.get(name="Sorry")
        assert grant.amount == Decimal("250.5")
        assert grant.expires_at is not None and grant.expires_at.isoformat() == "2030-12-31T23:00:00+00:00"

    def test_what_is_wrong_stands_beside_its_field(self, operator: Client, acme: Company) -> None:
        path = f"/console/customers/{acme.customer.id}/credits"
        answer = operator.post(path, {"amount": "-1", "priority": "x"})
        page = answer.content.decode()
        assert (
            answer.status_code == 422 and 'id="in-amount-wrong"' in page and 'id="in-priority-wrong"' in page
        )

    def test_what_is_left_is_taken_back(self, operator: Client, acme: Company) -> None:
        path = f"/console/customers/{acme.customer.id}/credits"
        operator.post(path, {"amount": "10", "name": "Gift"})
        grant = CreditGrant.objects.get(name="Gift")
        void = f"{path}/{public_id('grant', grant.id)}/void"
        assert "is taken back" in operator.post(void, {"reason": "by mistake"}, follow=True).content.decode()
        assert "Not taken back" in operator.post(void, follow=True).content.decode()

    def test_another_customers_grant_is_not_there(
        self, operator: Client, acme: Company, globex: Company
    ) -> None:
        grant = CreditGrant.objects.filter(customer=acme.customer).first()
        assert grant is not None
        path = f"/console/customers/{globex.customer.id}/credits/{public_id('grant', grant.id)}/void"
        assert operator.post(path).status_code == 404


class TestKeys:
    def test_a_key_is_revoked(self, operator: Client, acme: Company, globex: Company) -> None:
        operator.post(f"/console/customers/{acme.customer.id}/api-keys", {"name": "Exports"})
        key = ApiKey.objects.get(name="Exports")
        elsewhere = f"/console/customers/{globex.customer.id}/api-keys/{key.id}/revoke"
        assert operator.post(elsewhere).status_code == 404
        path = f"/console/customers/{acme.customer.id}/api-keys/{key.id}/revoke"
        assert "is revoked" in operator.post(path, follow=True).content.decode()
        assert ApiKey.objects.get(name="Exports").revoked_at is not None
