"""Our own encoder server, run as a real server on loopback in a thread of the test."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from embeddings.server.app import EncoderServer
from embeddings.server.catalog import Catalog


@contextmanager
def running_server(
    catalog: Catalog, *, api_key: str = "", queries: int = 512, bulk: int = 64
) -> Iterator[str]:
    """Its address, without a path."""
    app = EncoderServer(catalog, api_key=api_key, queries=queries, bulk=bulk).application()
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(20)
