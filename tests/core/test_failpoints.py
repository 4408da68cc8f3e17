import subprocess
import sys

import pytest

from core.failpoints import FailpointReached, armed, failpoint

CODE = "from core.failpoints import failpoint; failpoint('here'); print('survived')"


def run(setting: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", CODE], env={"BURNLINE_FAILPOINT": setting}, capture_output=True, text=True
    )


def test_unarmed_it_does_nothing() -> None:
    failpoint("here")


def test_armed_for_another_place_it_does_nothing() -> None:
    assert run("there:kill").stdout == "survived\n"


def test_kill_ends_the_process_at_once() -> None:
    ended = run("here:kill")
    assert (ended.returncode, ended.stdout) == (-9, "")


def test_raise_raises() -> None:
    assert "FailpointReached: here" in run("there:kill,here:raise").stderr


def test_sleep_goes_on_afterwards() -> None:
    assert run("here:sleep:0.01").stdout == "survived\n"


def test_a_setting_that_says_nothing_is_refused() -> None:
    assert "must be followed by" in run("here").stderr


def test_inside_one_process_it_is_armed_for_a_block() -> None:
    def fail() -> None:
        raise FailpointReached("here")

    with armed("here", fail), pytest.raises(FailpointReached):
        failpoint("here")
    failpoint("here")
