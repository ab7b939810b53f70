"""A hello as a member says it."""

from __future__ import annotations

from oracle.network.mesh.hello import LINK_VERSIONS, MAGIC, Hello
from oracle.sign.eip712 import separator
from tests.oracle.network.mesh.mesh_world import DOMAIN, Member, key_of

SPEAKER = Member("speaker", port=7)
HELLO = Hello(
    magic=MAGIC,
    versions=LINK_VERSIONS,
    domain=separator(DOMAIN),
    point=key_of("point").public_key.format(),
    announcement=SPEAKER.signed().raw,
    build="1.2.3",
    time_ms=1_800_000_000_000,
    instance=b"instance",
    certificate=b"\x0c" * 32,
)
