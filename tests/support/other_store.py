"""Another S3 store than ours (moto's), and a proxy before it that fails as it is told."""

import contextlib
import http.client
import http.server
import logging
import random
import threading
import time
import urllib.request

from moto.server import ThreadedMotoServer

from support.patience import PATIENCE_S

KEY, SECRET = "other-store", "secret-of-the-other-store"
KEYS = {"OPENBRAKET_S3_ACCESS_KEY_ID": KEY, "OPENBRAKET_S3_SECRET_ACCESS_KEY": SECRET}
_HOP = {"connection", "transfer-encoding", "keep-alive", "content-length", "date", "server"}


@contextlib.contextmanager
def other_store():
    """Run a store in memory and give its URL."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    url = "http://{}:{}".format(*server.get_host_and_port())
    # All of its stores in one process share what they hold.
    urllib.request.urlopen(urllib.request.Request(f"{url}/moto-api/reset", method="POST")).close()
    try:
        yield url
    finally:
        server.stop()


class Proxy:
    """Forwards requests to a store.

    Set `failing_share` to have that share of calls fail, half of them after they took effect,
    `loses_puts` to have every PUT take effect without an answer, and `is_away` to have none
    answered.
    """

    def __init__(self, target_url, *, seed=0):
        self.target = target_url.removeprefix("http://")
        self.rng = random.Random(seed)
        self.failing_share = 0.0
        self.is_away = False
        self.loses_puts = False
        self.puts = []
        self.failed_count = 0
        proxy = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def forward(self):
                proxy.forward(self)

            def log_message(self, *_):
                pass

        for method in ("GET", "HEAD", "PUT", "POST", "DELETE"):
            setattr(Handler, f"do_{method}", Handler.forward)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def forward(self, handler):
        if self.is_away:
            handler.close_connection = True
            return
        draw = self.rng.random()
        fails = draw < self.failing_share
        self.failed_count += fails
        length = int(handler.headers.get("content-length", 0))
        body = handler.rfile.read(length)
        if fails and draw < self.failing_share / 2:
            self.answer(handler, 503, [], b"<Error><Code>SlowDown</Code></Error>")
            return
        connection = http.client.HTTPConnection(self.target, timeout=PATIENCE_S)
        with contextlib.closing(connection):
            headers = {k: v for k, v in handler.headers.items() if k.lower() != "expect"}
            connection.request(handler.command, handler.path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
        if fails or (self.loses_puts and handler.command == "PUT"):
            # It took effect and nobody hears of it.
            handler.close_connection = True
            return
        if handler.command == "PUT" and answer.status == 200:
            self.puts.append(handler.path)
        kept = [(k, v) for k, v in answer.getheaders() if k.lower() not in _HOP]
        if handler.command == "HEAD":
            kept.append(("Content-Length", answer.getheader("content-length", "0")))
        self.answer(handler, answer.status, kept, content)

    def answer(self, handler, status, headers, content):
        handler.send_response(status)
        for name, value in headers:
            handler.send_header(name, value)
        if not any(name == "Content-Length" for name, _ in headers):
            handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(content)


def wait_until(condition, *, limit_s=PATIENCE_S):
    deadline = time.monotonic() + limit_s
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)
    return found
