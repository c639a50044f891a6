"""Published ports: both protocols, and a short form for TCP."""

import pytest

from ipybox.spec.ports import PublishedPorts

BOTH = PublishedPorts({(53, "tcp"): 40001, (53, "udp"): 40002})


def test_a_bare_number_means_tcp() -> None:
    assert BOTH[53] == BOTH[53, "tcp"] == 40001
    assert BOTH[53, "udp"] == 40002
    assert 53 in BOTH and (53, "udp") in BOTH
    assert BOTH.get(53) == 40001
    assert PublishedPorts({8000: 1}) == {(8000, "tcp"): 1}


def test_a_port_that_is_not_published_is_missing() -> None:
    udp = PublishedPorts({(53, "udp"): 40002})
    assert 53 not in udp
    assert udp.get(53) is None
    with pytest.raises(KeyError):
        udp[53]


def test_iteration_yields_ports_with_their_protocol() -> None:
    assert list(BOTH) == list(BOTH.keys()) == [(53, "tcp"), (53, "udp")]
    assert dict(BOTH.items()) == {(53, "tcp"): 40001, (53, "udp"): 40002}
    assert len(BOTH) == 2


def test_equality_takes_either_form_of_key() -> None:
    assert PublishedPorts({8000: 1}) == {8000: 1}
    assert PublishedPorts() == {}
    assert PublishedPorts({8000: 1}) != {(8000, "udp"): 1}
    assert PublishedPorts({8000: 1}) != 1


def test_repr_shows_ports_and_protocols() -> None:
    assert repr(BOTH) == "<PublishedPorts 53/tcp: 40001, 53/udp: 40002>"
    assert repr(PublishedPorts()) == "<PublishedPorts none>"
