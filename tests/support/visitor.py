"""Whoever comes with an HTTP client of his own: a user of the console's API, a browser at a device's door, an attacker.
TLS is Python's; every certificate is verified.
"""
import http.client
import json
import socket
import ssl
import urllib.parse

from stage import CONSOLE, Failed

LIMIT_SECONDS = 20


def fails(act, what):
    """Why `act` cannot be done; it must not be."""
    try:
        act()
    except OSError as error:  # ssl.SSLError and ConnectionError among them
        return str(error)
    raise Failed(f"found {what} done, want it failed")


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    def json(self):
        return json.loads(self.body)

    def cookie(self, name):
        for line in self.headers.get_all("Set-Cookie", []):
            key, _, value = line.partition(";")[0].partition("=")
            if key == name:
                return value
        return None


def trust(there, ca):
    context = ssl.create_default_context(cafile=str(there.state / "trust" / f"{ca}.twin.pem"))
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols(["http/1.1"])
    return context


class Line:
    """One TLS connection, on which requests are written as they are given."""

    def __init__(self, context, name, port):
        plain = socket.create_connection(("127.0.0.1", port), timeout=LIMIT_SECONDS)
        try:
            self.socket = context.wrap_socket(plain, server_hostname=name)
        except BaseException:
            plain.close()
            raise

    @classmethod
    def over(cls, plain, context, name):
        """The same over a connection that is there already."""
        line = cls.__new__(cls)
        line.socket = context.wrap_socket(plain, server_hostname=name)
        return line

    def ask(self, method, target, headers, body=None):
        """Headers exactly as given, in that order. ConnectionError when no answer comes."""
        lines = [f"{method} {target} HTTP/1.1"] + [f"{key}: {value}" for key, value in headers]
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        self.socket.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + (body or b""))
        response = http.client.HTTPResponse(self.socket, method=method)
        try:
            response.begin()
            return Answer(response)
        except (http.client.HTTPException, ssl.SSLError, OSError) as error:
            raise ConnectionError(f"no answer: {error}") from error

    def rest(self):
        """Everything that still comes until the other side ends."""
        data = b""
        try:
            while more := self.socket.recv(65536):
                data += more
        except ssl.SSLError:
            pass
        return data

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class ConsoleUser:
    """Somebody logged in to the console, by its REST API."""

    def __init__(self, there, login=None, password=None):
        self.there = there
        self.context = trust(there, "server-ca")
        self.origin = there.console_url
        self.cookie = self.csrf = None
        answer = self.call("POST", "/login", {"login": login or there.owner, "password": password or there.password}, status=200)
        self.cookie = answer.cookie("__Host-session")
        self.csrf = answer.json()["csrf"]

    def call(self, method, path, body=None, status=None):
        headers = [("Host", f"{CONSOLE}:{self.there.tls_port}")]
        if self.cookie:
            headers.append(("Cookie", f"__Host-session={self.cookie}"))
        data = None
        if method != "GET":
            data = json.dumps(body or {}).encode()
            headers += [("Origin", self.origin), ("Content-Type", "application/json")]
            if self.csrf:
                headers.append(("X-CSRF-Token", self.csrf))
        with Line(self.context, CONSOLE, self.there.tls_port) as line:
            answer = line.ask(method, "/api/v1" + path, headers, data)
        if status is not None and answer.status != status:
            raise AssertionError(f"{method} {path}: found {answer.status} {answer.body[:300]!r}, want {status}")
        return answer

    def grant(self, device_name, service="panel"):
        return Grant(self.there, self.call("POST", f"/devices/{device_name}/grants", {"service": service}, status=201).json(), self.origin)


class Grant:
    """A live access grant: the door, and what opens it."""

    def __init__(self, there, granted, console_origin):
        self.there = there
        self.id = granted["grant_id"]
        self.secret = granted["secret"]
        self.label = granted["label"]
        self.host = urllib.parse.urlsplit(granted["url"]).hostname
        self.port = there.tls_port
        self.authority = f"{self.host}:{there.tls_port}"
        self.origin = f"https://{self.authority}"
        self.console_origin = console_origin
        self.context = trust(there, "web-ca")
        self.cookie = None

    def line(self, port=None, host=None):
        return Line(self.context, host or self.host, port or self.port)

    def entry_headers(self, origin=None):
        return [("Host", self.authority), ("Origin", origin or self.console_origin), ("Sec-Fetch-Site", "cross-site"),
                ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document"), ("Content-Type", "application/x-www-form-urlencoded")]

    def enter(self, line, secret=None, headers=None):
        body = f"secret={secret or self.secret}".encode()
        return line.ask("POST", "/.sallyport/enter", headers or self.entry_headers(), body)

    def come_in(self, port=None):
        """Shows the secret; returns the connection, on which every request then has the cookie."""
        line = self.line(port)
        answer = self.enter(line)
        if answer.status != 200:
            raise AssertionError(f"entry: found {answer.status} {answer.body[:200]!r}, want 200")
        self.cookie = answer.cookie("__Host-sallyport")
        return line

    def headers(self, *more):
        return [("Host", self.authority), ("Cookie", f"__Host-sallyport={self.cookie}"), *more]
