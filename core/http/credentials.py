from dataclasses import dataclass

from core.problems import Forbidden

SCOPES = ("ingest", "read", "write")


@dataclass(frozen=True)
class Credential:
    """Who asks: the operator (``customer_id`` is None), or one customer, who sees its own rows and nothing
    else.
    """

    key_id: int
    customer_id: int | None
    scopes: frozenset[str]

    @property
    def is_operator(self) -> bool:
        return self.customer_id is None

    @property
    def by(self) -> str:
        """Who acts, as it is kept beside what was done."""
        return f"API key {self.key_id}"

    def require_scope(self, scope: str) -> None:
        if scope not in self.scopes:
            raise Forbidden(
                f"This key lacks the scope {scope!r}; it has {', '.join(sorted(self.scopes)) or 'none'}."
            )

    def require_operator(self) -> None:
        """Refuse a customer's key."""
        if not self.is_operator:
            raise Forbidden("Only an operator's key may do that; this key belongs to a customer.")
