"""A small web application that remembers every request that reaches it, word for word. It is as careless as an application
can be: whoever asks may read the answer (CORS with credentials), every path exists, every answer holds its secret.
"""
import base64
import dataclasses
import hashlib
import http.server
import pathlib
import secrets
import threading
import urllib.parse

SCRIPTS = pathlib.Path(__file__).with_name("neighbour")
MAX_BODY = 1 << 20
WEBSOCKET = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 §1.3
PIXEL = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{name}</title><script src="/attacks.js"></script></head>
<body><h1>{name}</h1><p id="secret">{secret}</p></body></html>
"""


@dataclasses.dataclass
class Seen:
    """One request as the application got it."""
    method: str
    target: str
    headers: list
    body: bytes

    def cookies(self):
        return "; ".join(value for name, value in self.headers if name == "cookie")

    def text(self):
        return repr((self.method, self.target, self.headers, self.body))


class Application(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def answer(self, body, content_type, status=200, more=()):
        data = body.encode() if isinstance(body, str) else body
        self.send_response(status)
        origin = self.headers.get("Origin")
        allowed = [("Access-Control-Allow-Origin", origin), ("Access-Control-Allow-Credentials", "true"),
                   ("Access-Control-Allow-Headers", "x-hostile, content-type")] if origin else []
        for name, value in [("Content-Type", content_type), ("Content-Length", str(len(data))), ("Cache-Control", "no-store"), *allowed, *more]:
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def remember(self):
        body = self.rfile.read(min(int(self.headers.get("Content-Length") or 0), MAX_BODY))
        headers = [(name.lower(), value) for name, value in self.headers.items()]
        self.server.witness.remember(Seen(self.command, self.path, headers, body))

    def handle_any(self):
        self.remember()
        witness = self.server.witness
        parts = urllib.parse.urlsplit(self.path)
        if self.headers.get("Upgrade", "").lower() == "websocket":
            self.websocket()
        elif parts.path == "/":
            own = [("Set-Cookie", f"session={witness.session}; Path=/; HttpOnly; SameSite=Lax"), ("Set-Cookie", f"csrf={witness.token}; Path=/")]
            self.answer(PAGE.format(name=witness.name, secret=witness.secret), "text/html; charset=utf-8",
                        more=own if self.command == "GET" else ())
        elif parts.path in ("/attacks.js", "/worker.js"):
            self.answer((SCRIPTS / parts.path[1:]).read_text(), "text/javascript")
        elif parts.path == "/bounce":
            asked = urllib.parse.parse_qs(parts.query)
            self.answer("", "text/plain", int(asked["status"][0]), [("Location", asked["to"][0])])
        elif parts.path == "/plant":
            self.answer("planted", "text/plain", more=[("Set-Cookie", line) for line in urllib.parse.parse_qs(parts.query)["cookie"]])
        else:
            self.loot(parts.path)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_OPTIONS = handle_any

    def loot(self, path):
        secret = self.server.witness.secret
        kinds = {".js": (f"globalThis.loot = {secret!r};", "text/javascript"), ".css": (f"body::before{{content:'{secret}'}}", "text/css"),
                 ".gif": (PIXEL, "image/gif"), ".json": (f'{{"secret": "{secret}"}}', "application/json"),
                 ".events": (f"data: {secret}\n\n", "text/event-stream")}
        body, content_type = kinds.get(pathlib.PurePath(path).suffix, (f"<!doctype html><title>loot</title><p>{secret}</p>", "text/html; charset=utf-8"))
        self.answer(body, content_type)

    def websocket(self):
        accept = base64.b64encode(hashlib.sha1(self.headers["Sec-WebSocket-Key"].encode() + WEBSOCKET).digest()).decode()
        self.send_response(101)
        for name, value in (("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", accept)):
            self.send_header(name, value)
        self.end_headers()
        text = self.server.witness.secret.encode()
        self.wfile.write(bytes([0x81, len(text)]) + text)
        self.close_connection = True

    def log_message(self, *_):
        pass


class Witness:
    """Listens on a free port of 127.0.0.1 from its making on."""

    def __init__(self, name):
        self.name = name
        self.secret = f"secret-of-{name}-{secrets.token_hex(16)}"
        self.session = f"genuine{secrets.token_hex(8)}"
        self.token = f"genuine{secrets.token_hex(8)}"
        self._lock = threading.Lock()
        self._seen = []
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Application)
        self._server.daemon_threads = True
        self._server.witness = self
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def port(self):
        return self._server.server_address[1]

    def remember(self, seen):
        with self._lock:
            self._seen.append(seen)

    def seen(self):
        with self._lock:
            return list(self._seen)

    def forget(self):
        """Empties the memory; returns what was in it."""
        with self._lock:
            seen, self._seen = self._seen, []
        return seen

    def close(self):
        self._server.shutdown()
        self._server.server_close()
