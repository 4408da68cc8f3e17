from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from core.clock import now
from core.http.credentials import SCOPES
from core.problems import Problem
from customers.api_keys import create_api_key
from customers.models import Customer


class Command(BaseCommand):
    help = "Make an API key. The key is printed once, as the last line; it cannot be shown again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--scopes", required=True, help=f"some of {','.join(SCOPES)}, with commas between"
        )
        parser.add_argument(
            "--customer", help="the key of the customer it belongs to; without it, the operator's"
        )
        parser.add_argument("--name", default="command line", help="what the key is for")

    def handle(self, *args: Any, **options: Any) -> None:
        customer = None
        if options["customer"] is not None:
            customer = Customer.objects.filter(key=options["customer"]).first()
            if customer is None:
                raise CommandError(f"There is no customer with the key {options['customer']!r}.")
        scopes = [scope.strip() for scope in options["scopes"].split(",") if scope.strip()]
        try:
            key, plaintext = create_api_key(name=options["name"], scopes=scopes, customer=customer, now=now())
        except Problem as problem:
            raise CommandError(problem.detail) from None
        owner = f"customer {customer.key}" if customer else "the operator"
        self.stdout.write(f"Made the key {key.prefix}… for {owner}, with the scopes {', '.join(key.scopes)}.")
        self.stdout.write(plaintext)
