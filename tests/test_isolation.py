"""No test leaves this machine."""

import socket

import pytest
from pytest_socket import SocketConnectBlockedError


@pytest.mark.filterwarnings("ignore:A test tried to use socket")
@pytest.mark.parametrize("turn", [1, 2])
def test_connections_elsewhere_are_refused_before_they_are_tried(turn: int) -> None:
    with socket.socket() as out, pytest.raises(SocketConnectBlockedError):
        out.connect(("192.0.2.1", 443))
