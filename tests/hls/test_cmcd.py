"""What players say of themselves, in both versions, and what is no such thing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.hls.cmcd import MAX_LINES, Cmcd, read_events, read_request

VERSION_1 = (
    'bl=21300,br=3200,bs,cid="faec5fc2",d=4004,mtp=25400,nor="..%2F300kbps%2Fsegment35.m4v",ot=v,pr=1.08,sf=h,'
    'sid="6e2fb550-c457-11e9-bb97-0800200c9a66",st=v,su,tb=6000'
)
VERSION_2 = 'bl=(8200;v 9100;a),ot=v,pt=63250,sid="a",sta=p,st=l,v=2'


@pytest.mark.parametrize(
    ("query", "headers", "found"),
    [
        ({"CMCD": VERSION_1}, {}, Cmcd(rate=1.08, buffer_ms=21300, object_type="v")),
        ({"CMCD": VERSION_2}, {}, Cmcd(position_ms=63250, state="p", buffer_ms=8200, object_type="v")),
        (
            {},
            {"CMCD-Request": "bl=900,su", "CMCD-Object": "ot=a", "CMCD-Session": 'sid="x"'},
            Cmcd(buffer_ms=900, object_type="a"),
        ),
        ({"CMCD": "bs,ot=v"}, {}, Cmcd(buffer_ms=0, object_type="v")),
        ({"CMCD": "ot=v,su"}, {}, Cmcd(buffer_ms=0, object_type="v")),
        ({"CMCD": "bs=?0,ot=v"}, {}, Cmcd(object_type="v")),
        ({"CMCD": "sta=a,pr=0"}, {}, Cmcd(state="a", rate=0.0)),
        ({"CMCD": "pt=-5,pr=99,bl=abc"}, {}, None),
        ({"CMCD": "pt=1e9"}, {}, None),
        ({"CMCD": "(("}, {}, None),
        ({"CMCD": "bl=\u0661"}, {}, None),
        ({"CMCD": "a" * 5000}, {}, None),
        ({"CMCD": 'sid="nothing of use"'}, {}, None),
        ({}, {}, None),
    ],
)
def test_what_is_said_is_read(query: dict[str, str], headers: dict[str, str], found: Cmcd | None) -> None:
    assert read_request(query, headers) == found


def test_a_report_is_read_line_by_line() -> None:
    body = b"e=ps,ts=1700000000000,sta=a,pt=2000\n\nnot a ( dictionary\ne=t,pt=2500,sta=p\n"

    assert read_events(body) == (Cmcd(position_ms=2000, state="a"), Cmcd(position_ms=2500, state="p"))
    assert len(read_events(b"pt=1\n" * 1000)) == MAX_LINES


@given(st.binary(max_size=300))
def test_nothing_that_is_sent_raises(body: bytes) -> None:
    assert isinstance(read_events(body), tuple)
    assert read_request({"CMCD": body.decode("latin-1")}, {}) is None or body


@given(st.text(alphabet='ablpstr=(;), "0123456789.-?:@%', max_size=60))
def test_nothing_that_looks_like_it_raises(text: str) -> None:
    found = read_request({"CMCD": text}, {})
    assert found is None or found != Cmcd()
