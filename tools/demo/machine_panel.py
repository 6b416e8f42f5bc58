#!/usr/bin/env python3
"""A machine's own web panel, as the demonstration's devices serve it on 127.0.0.1: pages, a form that is remembered, a live
ticker. It knows nothing of Sallyport; the agent in front of it does.

    machine_panel.py --name "Press 1" --port 0 [--port-file FILE]
"""
import argparse
import html
import http.server
import json
import math
import pathlib
import secrets
import signal
import threading
import time
import urllib.parse

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{name}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="/panel.css"><script src="/panel.js" defer></script></head>
<body><header><h1>{name}</h1><nav><a href="/">Overview</a> <a href="/settings">Settings</a></nav></header>
<main>{body}</main><footer>session {session}</footer></body></html>
"""

OVERVIEW = """<section class="gauges">
<div><h2>Spindle</h2><p id="spindle" class="value">–</p><p>rpm</p></div>
<div><h2>Pressure</h2><p id="pressure" class="value">–</p><p>bar</p></div>
<div><h2>Parts</h2><p id="parts" class="value">–</p><p>since start</p></div>
</section><p>Target speed: <strong id="target">{target}</strong> rpm · ticker <span id="state">connecting</span></p>"""

SETTINGS = """<form method="post" action="/settings"><label>Target speed, rpm
<input name="target" type="number" min="0" max="12000" value="{target}" required></label>
<label>Note <input name="note" maxlength="200" value="{note}"></label>
<button>Save</button></form><p id="saved">{saved}</p>"""

CSS = """body{font:16px system-ui,sans-serif;margin:0;background:#10151c;color:#e8edf2}
header,footer,main{padding:1rem 1.5rem}header{display:flex;justify-content:space-between;align-items:baseline;background:#18202b}
h1{font-size:1.2rem;margin:0}a{color:#7cc4ff}footer{color:#7d8a99;font-size:.8rem}
.gauges{display:flex;gap:1rem;flex-wrap:wrap}.gauges div{background:#18202b;border-radius:8px;padding:1rem;min-width:9rem}
h2{font-size:.9rem;margin:0;color:#9fb0c3}.value{font-size:2.2rem;margin:.2rem 0;font-variant-numeric:tabular-nums}
label{display:block;margin:.6rem 0}input{font:inherit;padding:.4rem}button{font:inherit;padding:.4rem 1rem}
"""

SCRIPT = """const show = (id, text) => { const at = document.getElementById(id); if (at) at.textContent = text; };
const ticker = new EventSource('/ticker');
ticker.onopen = () => show('state', 'live');
ticker.onerror = () => show('state', 'reconnecting');
ticker.onmessage = (event) => {
  const now = JSON.parse(event.data);
  for (const id of ['spindle', 'pressure', 'parts', 'target']) show(id, now[id]);
};
"""


class Machine:
    """The state that the panel shows. Thread-safe."""

    def __init__(self, name):
        self.name = name
        self.lock = threading.Lock()
        self.started = time.monotonic()
        self.target = 4200
        self.note = ""

    def reading(self):
        with self.lock:
            age = time.monotonic() - self.started
            return {
                "spindle": round(self.target + 40 * math.sin(age / 3)),
                "pressure": round(6.2 + 0.3 * math.sin(age / 5), 2),
                "parts": int(age * self.target / 4200),
                "target": self.target,
            }

    def save(self, target, note):
        with self.lock:
            self.target = target
            self.note = note


class Panel(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "machine-panel"
    disable_nagle_algorithm = True  # headers and body are two writes

    def machine(self):
        return self.server.machine

    def answer(self, body, content_type="text/html; charset=utf-8", status=200, extra=()):
        data = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(data)))
        for name, value in extra:
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def session(self):
        for part in self.headers.get("Cookie", "").split(";"):
            name, _, value = part.strip().partition("=")
            if name == "panel" and value.isalnum():
                return value, ()
        fresh = secrets.token_hex(4)
        return fresh, (("Set-Cookie", f"panel={fresh}; Path=/; HttpOnly; SameSite=Lax"),)

    def page(self, body, status=200):
        session, extra = self.session()
        text = PAGE.format(name=html.escape(self.machine().name), body=body, session=session)
        self.answer(text, status=status, extra=extra)

    def settings(self, saved=""):
        machine = self.machine()
        self.page(SETTINGS.format(target=machine.target, note=html.escape(machine.note, quote=True), saved=saved))

    def do_GET(self):
        path = urllib.parse.urlsplit(self.path).path
        if path == "/":
            self.page(OVERVIEW.format(target=self.machine().target))
        elif path == "/settings":
            self.settings()
        elif path == "/panel.css":
            self.answer(CSS, "text/css")
        elif path == "/panel.js":
            self.answer(SCRIPT, "text/javascript")
        elif path == "/api/reading":
            self.answer(json.dumps(self.machine().reading()), "application/json")
        elif path == "/api/headers":
            self.answer(json.dumps(sorted([name.lower(), value] for name, value in self.headers.items())), "application/json")
        elif path == "/ticker":
            self.ticker()
        else:
            self.page("<p>No such page.</p>", status=404)

    do_HEAD = do_GET

    def do_POST(self):
        length = int(self.headers.get("Content-Length", "0") or 0)
        body = self.rfile.read(min(length, 1 << 20))
        if urllib.parse.urlsplit(self.path).path == "/echo":
            self.answer(body.decode("latin-1"), "application/octet-stream")
            return
        form = urllib.parse.parse_qs(body.decode("utf-8", "replace"))
        try:
            target = int(form.get("target", [""])[0])
        except ValueError:
            self.settings(saved="Target speed: want a whole number.")
            return
        if not 0 <= target <= 12000:
            self.settings(saved="Target speed: want 0 to 12000 rpm.")
            return
        self.machine().save(target, form.get("note", [""])[0][:200])
        self.settings(saved="Saved.")

    def ticker(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Cache-Control", "no-store")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        try:
            while not self.server.stopping.is_set():
                self.wfile.write(f"data: {json.dumps(self.machine().reading())}\n\n".encode())
                self.wfile.flush()
                self.server.stopping.wait(1.0)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def log_message(self, *arguments):
        pass


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--name", required=True)
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--port-file", type=pathlib.Path, help="where to write the port once the panel listens")
    arguments = parser.parse_args()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", arguments.port), Panel)
    server.daemon_threads = True
    server.machine = Machine(arguments.name)
    server.stopping = threading.Event()
    if arguments.port_file:
        temporary = arguments.port_file.with_suffix(".tmp")
        temporary.write_text(f"{server.server_address[1]}\n")
        temporary.replace(arguments.port_file)
    print(f"{arguments.name}: http://127.0.0.1:{server.server_address[1]}/", flush=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        server.stopping.set()


if __name__ == "__main__":
    main()
