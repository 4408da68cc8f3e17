import decimal

from django.apps import AppConfig

from core.money import CONTEXT


class CoreConfig(AppConfig):
    name = "core"

    def ready(self) -> None:
        """Reckon with 60 digits everywhere: the default of 28 would cut long amounts without a word.

        Money paths set their own context all the same; this is for what lies between them.
        """
        decimal.DefaultContext.prec = CONTEXT.prec  # of every thread made from now on
        decimal.getcontext().prec = CONTEXT.prec
