from datetime import timedelta

from django.test import Client

from customers.models import Member, User
from customers.portal_links import create_portal_link, cut_off_portal_links
from tests.portal.world import Company, a_member


def test_a_stranger_is_sent_to_sign_in(companies: object, client: Client) -> None:
    for path in ("/", "/portal/", "/portal/usage", "/portal/invoices"):
        answer = client.get(path)
        assert answer.status_code == 302
        assert answer["Location"].startswith("/accounts/login/")


def test_a_link_opens_its_customers_portal(visitor: Client, acme: Company) -> None:
    answer = visitor.get("/portal/")
    assert answer.status_code == 200
    assert acme.customer.name in answer.content.decode()
    assert answer["Cache-Control"] == "private, no-store"
    assert visitor.get("/")["Location"] == "/portal/"


def test_a_link_past_its_end_opens_nothing(client: Client, acme: Company) -> None:
    link = create_portal_link(acme.customer, now=acme.now - timedelta(days=2), base_url="", seconds=60)
    answer = client.get(link.url)
    assert answer.status_code == 404
    assert "has expired or was cut off. Ask for a new one." in answer.content.decode()
    assert client.get("/portal/").status_code == 302


def test_a_changed_link_opens_nothing(client: Client, acme: Company) -> None:
    link = create_portal_link(acme.customer, now=acme.now, base_url="")
    assert client.get(link.url[:-1] + ("A" if link.url[-1] != "A" else "B")).status_code == 404


def test_cutting_links_off_ends_sessions_that_came_by_one(visitor: Client, acme: Company) -> None:
    cut_off_portal_links(acme.customer)
    assert visitor.get("/portal/").status_code == 302


def test_a_link_session_ends_with_its_link(visitor: Client, acme: Company) -> None:
    session = visitor.session
    session["portal_link"] = {**session["portal_link"], "expires_at": int(acme.now.timestamp()) - 1}
    session.save()
    assert visitor.get("/portal/").status_code == 302


def test_leaving_closes_the_portal(visitor: Client) -> None:
    assert visitor.post("/portal/leave").status_code == 302
    assert visitor.get("/portal/").status_code == 302
    assert visitor.get("/portal/leave").status_code == 405


def test_a_member_signs_in_and_lands_in_the_portal(client: Client, acme: Company) -> None:
    a_member(acme, "ann@acme.example")
    answer = client.post(
        "/accounts/login/", {"login": "ann@acme.example", "password": "a long enough password"}, follow=True
    )
    assert answer.redirect_chain[-1][0] == "/portal/"
    assert acme.customer.name in answer.content.decode()


def test_a_member_who_is_removed_sees_nothing_more(client: Client, acme: Company) -> None:
    client.force_login(a_member(acme, "ann@acme.example"))
    assert client.get("/portal/").status_code == 200
    Member.objects.all().delete()
    assert client.get("/portal/")["Location"] == "/portal/choose"
    assert "No company" in client.get("/portal/choose").content.decode()


def test_a_member_of_two_customers_picks_one(client: Client, acme: Company, globex: Company) -> None:
    user = a_member(acme, "ann@example.com")
    Member.objects.create(customer=globex.customer, user=user, role="billing", created_at=acme.now)
    client.force_login(user)
    assert client.get("/portal/")["Location"] == "/portal/choose"
    assert client.post("/portal/choose", {"customer": str(globex.customer.id)}).status_code == 302
    assert globex.customer.name in client.get("/portal/").content.decode()


def test_nobody_picks_a_customer_they_are_no_member_of(
    client: Client, acme: Company, globex: Company
) -> None:
    client.force_login(a_member(acme, "ann@example.com"))
    client.post("/portal/choose", {"customer": str(globex.customer.id)})
    page = client.get("/portal/").content.decode()
    assert acme.customer.name in page and globex.customer.name not in page


def test_staff_without_a_membership_have_no_portal_of_their_own(client: Client, acme: Company) -> None:
    client.force_login(User.objects.create_superuser("ops@example.com", "a long enough password"))
    assert client.get("/")["Location"] == "/console/"
    assert client.get("/portal/")["Location"] == "/portal/choose"
