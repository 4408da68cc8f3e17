from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from tests.billing.scenarios.diary import Diary


@pytest.fixture
def diary(operator_api: Any) -> Callable[[str], Diary]:
    """Opens a diary on a day: the sandbox's clock stands there, and everything goes through the API."""

    return partial(Diary.opened, operator_api)
