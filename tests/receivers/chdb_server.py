"""ClickHouse's HTTP interface over chdb, as far as a client of ours uses it: chdb_server.py PORT FOLDER."""

import os
import sys
import tempfile
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from chdb.session import Session

port, folder = int(sys.argv[1]), sys.argv[2]
session = Session(folder)
# The session has one current database, and takes one statement at a time.
turn = threading.Lock()


def run(database, query, body, form):
    """The bytes that a statement gives. The rows of an INSERT come as a body, and are read from a file."""
    if not body:
        return execute(database, query, form)
    head, _, name = query.rpartition(" FORMAT ")
    with tempfile.NamedTemporaryFile(dir=folder, suffix=".rows") as file:
        file.write(body)
        file.flush()
        return execute(database, f"{head} FROM INFILE '{file.name}' FORMAT {name}", form)


def execute(database, query, form):
    with turn:
        session.query(f"USE `{database}`")
        result = session.query(query, form)
        return result.bytes() if result else b""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        options = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query))
        body = self.body()
        query = options.get("query", "")
        if not query:
            query, body = body.decode("utf-8", "surrogateescape"), b""
        try:
            status = 200
            form = options.get("default_format", "TabSeparated")
            answer = run(options.get("database", "default"), query, body, form)
        except Exception as error:  # the client is told whatever it is
            status, answer = 500, str(error).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def body(self):
        if self.headers.get("Transfer-Encoding", "") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        pieces = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)

    def log_message(self, *_):
        pass


os.makedirs(folder, exist_ok=True)
ThreadingHTTPServer.daemon_threads = True
ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
