"""A web service that has nothing in common with timber: another language, another
port, other paths, and its environment decides what it answers."""

import os
import signal
import ssl
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def needs():
    """What a service that calls others expects of its image and of its pod."""
    paths = ssl.get_default_verify_paths()
    trusted = "found" if paths.capath and len(os.listdir(paths.capath)) > 100 else "missing"
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"written")
        file.flush()
        kept = os.path.getsize(file.name)
        return f"certificates {trusted}, time zone {time.strftime('%z')}, {kept} bytes in {os.path.dirname(file.name)}\n"


class Handler(BaseHTTPRequestHandler):
    timeout = 10

    def do_GET(self):
        answers = {"/": lambda: os.environ["GREETING"] + "\n", "/health": lambda: "healthy\n", "/needs": needs}
        answer = answers.get(self.path)
        body = answer().encode() if answer else b"not here\n"
        self.send_response(200 if answer else 404)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Server(ThreadingHTTPServer):
    daemon_threads = False  # what is being answered is answered to the end


with Server(("", int(os.environ["PORT"])), Handler) as server:
    # From another thread: shutdown waits for serve_forever, which the signal interrupts.
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever()
