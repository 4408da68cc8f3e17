"""What is wrong with a charge, told as refused fields: the engine that reads charges knows no refusals of ours."""

from core.problems import FieldError
from pricing.engine.fields import ChargeError


def field_errors(error: ChargeError) -> list[FieldError]:
    """Each issue as a field's error; what is wrong with a charge as a whole stands at the charge's own place."""
    return [FieldError(issue.field.rstrip("."), issue.code, issue.detail) for issue in error.issues]
