"""A web service that has nothing in common with timber: another language, another
port, other paths, and its environment decides what it answers. It is slow to start if it
should be, as a service is that first fills its caches."""

import json
import os
import signal
import ssl
import tempfile
import threading
import time
import urllib.request
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


def visits():
    """Count in a database that is outside of the cluster: etcd, by its JSON gateway, with keys in base 64."""

    def ask(method, **question):
        url = f"http://{os.environ['DATABASE']}/v3/kv/{method}"
        with urllib.request.urlopen(url, json.dumps(question).encode(), timeout=5) as answer:
            return json.load(answer)

    ask("put", key="dGltYmVy", value="")
    return f"counted {'version' in ask('range', key='dGltYmVy')['kvs'][0]}\n"


class Handler(BaseHTTPRequestHandler):
    timeout = 10

    def do_GET(self):
        answers = {"/": lambda: os.environ["GREETING"] + "\n", "/health": lambda: "healthy\n", "/needs": needs, "/visits": visits}
        answer = answers.get(self.path)
        body = answer().encode() if answer else b"not here\n"
        self.send_response(200 if answer else 404)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Server(ThreadingHTTPServer):
    daemon_threads = False  # what is being answered is answered to the end


time.sleep(int(os.environ.get("SLOW", 0)))
with Server(("", int(os.environ["PORT"])), Handler) as server:
    # From another thread: shutdown waits for serve_forever, which the signal interrupts.
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever()
