from billing.models.add_on import AddOn
from billing.models.basis import Basis, BilledFee
from billing.models.credit import CreditDraw, CreditGrant
from billing.models.invoice import Invoice, InvoiceLine, InvoiceNumber, InvoiceSeries
from billing.models.ledger import LedgerAccount, LedgerEntry, LedgerTransaction
from billing.models.margin import CustomerDay
from billing.models.override import SubscriptionOverride
from billing.models.plan_move import PlanMove, PlanMoveStep
from billing.models.position import RatingPosition
from billing.models.rerating import ReRating, ReRatingStep
from billing.models.stripe import StripeCall, StripeObject
from billing.models.subscription import (
    LatePeriod,
    SegmentCorrection,
    Subscription,
    SubscriptionSegment,
)
from billing.models.value_event import ValueEvent

__all__ = [
    "AddOn",
    "Basis",
    "BilledFee",
    "CreditDraw",
    "CreditGrant",
    "CustomerDay",
    "Invoice",
    "InvoiceLine",
    "InvoiceNumber",
    "InvoiceSeries",
    "LatePeriod",
    "LedgerAccount",
    "LedgerEntry",
    "LedgerTransaction",
    "PlanMove",
    "PlanMoveStep",
    "RatingPosition",
    "ReRating",
    "ReRatingStep",
    "SegmentCorrection",
    "StripeCall",
    "StripeObject",
    "Subscription",
    "SubscriptionOverride",
    "SubscriptionSegment",
    "ValueEvent",
]
