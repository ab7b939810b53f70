"""Nginx with the shipped configuration, before endpoints of a test."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from demo.world import anvil

SHIPPED = Path(__file__).parents[3] / "packaging" / "nginx" / "lrt-oracle.conf"
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
needs_nginx = pytest.mark.skipif(NGINX is None, reason="nginx is not installed")
OPENED = "$lrt_oracle_questions { default 0; }", "$lrt_oracle_questions { default 1; }"
_ADDRESS = "set_real_ip_from 127.0.0.1; real_ip_header X-Test-Reader;"
"""A test asks from any address that it says."""


@asynccontextmanager
async def nginx(folder: Path, *origins: str, few: bool = False, questions: bool = False) -> AsyncIterator[str]:
    """Nginx with the shipped configuration, before endpoints; its address.

    Args:
        folder: of its files.
        origins: the endpoints.
        few: it lets two requests through, and one more a minute.
        questions: it is opened for questions, of which it lets two of an address through, and one more a minute.
    """
    port = anvil.free_port()
    text = SHIPPED.read_text(encoding="utf-8")
    servers = [f"server {o.removeprefix('http://')} max_fails=0;" for o in origins]
    assert "server 127.0.0.1:8551 max_fails=0;" in text
    text = text.replace("server 127.0.0.1:8551 max_fails=0;", " ".join(servers)).replace("    listen [::]:8080;\n", "")
    if few:
        text = text.replace("rate=200r/s", "rate=1r/m").replace("burst=400", "burst=1")
    if questions:
        assert text.count(OPENED[0]) == 1
        text = text.replace(*OPENED).replace("rate=20r/m", "rate=1r/m").replace("burst=5 ", "burst=1 ")
    text = text.replace("listen 8080;", f"listen 127.0.0.1:{port};").replace(
        "/var/cache/nginx/lrt-oracle", str(folder / "kept")
    )
    (folder / "site.conf").write_text(text, encoding="utf-8")
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    (folder / "nginx.conf").write_text(
        f"user root; daemon off; pid {folder}/pid; error_log {folder}/log; events {{}} http {{ access_log off; {_ADDRESS} {temporary} include site.conf; }}",
        encoding="utf-8",
    )
    command = (str(NGINX), "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "log"))
    tried = await asyncio.to_thread(subprocess.run, (*command, "-t"), capture_output=True, text=True, check=False)
    assert "test is successful" in tried.stderr, tried.stderr
    process = await asyncio.create_subprocess_exec(*command)
    try:
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
                continue
            writer.close()
            break
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        await process.wait()
