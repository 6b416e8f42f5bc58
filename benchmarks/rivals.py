"""The rivals, each in its best known configuration, as children that end with us."""
import os
import pathlib
import shutil
import socket
import subprocess
import urllib.parse

from installation import Process, free_port, members, wait_for
from measure import Failed

HAPROXY = """global
    nbthread 1
    maxconn 4000
{identity}
defaults
    mode tcp
    timeout connect 5s
    timeout client 60s
    timeout server 60s
{splice}
frontend users
    bind 127.0.0.1:{port}
    tcp-request inspect-delay 5s
    tcp-request content accept if {{ req.ssl_hello_type 1 }}
    use_backend device if {{ req.ssl_sni -m end {zone} }}
backend device
    server device 127.0.0.1:{device}
"""
SPLICE = "    option splice-request\n    option splice-response"

NGINX = """daemon off;
worker_processes 1;
worker_rlimit_nofile 65536;
pid {folder}/nginx.pid;
error_log {folder}/nginx-error.log crit;
{identity}
{modules}
events {{ worker_connections 20000; }}
{body}
"""
NGINX_STREAM = """stream {{
    map $ssl_preread_server_name $backend {{ hostnames; default ""; *.{zone} 127.0.0.1:{device}; }}
    server {{
        listen 127.0.0.1:{port};
        ssl_preread on;
        proxy_buffer_size 64k;
        proxy_pass $backend;
    }}
}}"""
NGINX_MTLS = """stream {{
    server {{
        listen 127.0.0.1:{port} ssl backlog=16384;
        {tls}
        return x;
    }}
}}
http {{
    access_log off;
    server {{
        listen 127.0.0.1:{idle_port} ssl backlog=16384;
        {tls}
        client_header_timeout 1h;
    }}
}}"""
NGINX_MTLS_SETTINGS = """ssl_protocols TLSv1.3;
        ssl_certificate {folder}/server.pem;
        ssl_certificate_key {folder}/server.key;
        ssl_verify_client on;
        ssl_verify_depth 3;
        ssl_client_certificate {root};
        ssl_session_tickets {tickets};"""
HAPROXY_MTLS = """global
    nbthread 1
    maxconn 9900
{identity}
defaults
    mode http
    timeout connect 5s
    timeout client 1h
    timeout server 1h
    timeout http-request 1h
frontend devices
    bind 127.0.0.1:{port} backlog 16384 ssl crt {folder}/server.both.pem verify required ca-file {root} ssl-min-ver TLSv1.3 no-tls-tickets
    http-request return status 204
"""
NGINX_STATIC = """http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    tcp_nodelay on;
    keepalive_requests 1000000;
    keepalive_timeout 60s;
    open_file_cache max=1000 inactive=60s;
    open_file_cache_valid 60s;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        root {folder}/pages;
        default_type application/ocsp-response;
        add_header Cache-Control "max-age=300, public, no-transform, must-revalidate";
    }}
}}"""
NGINX_HTTPS = """http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_protocols TLSv1.3;
        ssl_certificate {folder}/server.pem;
        ssl_certificate_key {folder}/server.key;
        location / {{ proxy_pass http://127.0.0.1:{panel}; }}
    }}
}}"""
STREAM_MODULE = pathlib.Path("/usr/lib/nginx/modules/ngx_stream_module.so")


def program(name):
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if not found:
        raise Failed(f"{name} is not installed: tools/packages.sh install bench")
    return found


def accepts(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Rival:
    """A child and its port."""

    def __init__(self, name, command, folder, port, listens=None):
        self.port = port
        self.process = Process(name, command, folder / f"{name}.log")
        listens = listens or (lambda _: accepts(port))
        wait_for(lambda: listens(self) or not self.process.running(), 10, f"{name} to listen")
        if not self.process.running():
            raise Failed(f"{name} did not start: {self.process.tail(5)}")

    def pids(self):
        return [pid for pid, _ in members(self.process.pid)]

    def stop(self):
        self.process.stop()


class Mtls(Rival):
    """One that ends devices' TLS. At `port` a handshake is answered, at `idle_port` connections wait, `most` at a time, of which
    memory is as it stays after `settles_in` seconds. It has no zone."""

    zone, settles_in = "-", 2

    def __init__(self, name, command, folder, port, idle_port, most):
        super().__init__(name, command, folder, port)
        self.idle_port, self.most = idle_port, most


def haproxy(folder, zone, device, splice=True):
    """TCP by SNI, one thread. With `splice` it moves bytes by splice(2) always; splice-auto would hardly ever."""
    port = free_port()
    identity = "    user haproxy\n    group haproxy" if os.geteuid() == 0 else ""
    name = "haproxy-splice" if splice else "haproxy"
    config = folder / f"{name}.cfg"
    config.write_text(HAPROXY.format(identity=identity, splice=SPLICE if splice else "", port=port, zone=zone, device=device))
    return Rival(name, [program("haproxy"), "-db", "-f", str(config)], folder, port)


def nginx_command(name, folder, modules, body):
    config = folder / f"{name}.conf"
    identity = "user www-data;" if os.geteuid() == 0 else ""
    config.write_text(NGINX.format(folder=folder, identity=identity, modules=modules, body=body))
    return [program("nginx"), "-c", str(config), "-p", str(folder)]


def nginx(name, folder, port, modules, body):
    return Rival(name, nginx_command(name, folder, modules, body), folder, port)


def nginx_stream(folder, zone, device):
    """The stream module with ssl_preread, one worker."""
    port = free_port()
    modules = f"load_module {STREAM_MODULE};" if STREAM_MODULE.exists() else ""
    return nginx("nginx-stream", folder, port, modules, NGINX_STREAM.format(port=port, zone=zone, device=device))


def nginx_static(folder, target, content):
    """One worker that serves `content` as the file that `target` names."""
    port = free_port()
    pages = folder / "pages"
    page = pages / urllib.parse.unquote(target).lstrip("/")
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_bytes(content)
    return nginx("nginx-static", folder, port, "", NGINX_STATIC.format(folder=folder, port=port))


def nginx_https(folder, panel):
    """A device's TLS server in front of its page at port `panel`; with the identity that server_identity made."""
    port = free_port()
    return nginx("nginx-https", folder, port, "", NGINX_HTTPS.format(folder=folder, port=port, panel=panel))


def server_identity(folder):
    """A P-256 certificate for the rivals' servers; nobody checks it."""
    done = subprocess.run([program("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "server.key", "-out",
                           "server.pem", "-subj", "/CN=rival", "-days", "2"], cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode != 0:
        raise Failed(f"openssl req: {done.stderr.strip()[-300:]}")
    (folder / "server.both.pem").write_bytes((folder / "server.pem").read_bytes() + (folder / "server.key").read_bytes())


def client_cas(folder, root):
    """What a rival knows of the devices' chains: the root, and the CA below it, which devices then leave out as they do at ours."""
    bundle = folder / "client-cas.pem"
    bundle.write_bytes(root.read_bytes() + (root.parent / "online-ca.pem").read_bytes())
    return bundle


def nginx_mtls(folder, root, tickets=False):
    """One worker that ends mutual TLS and verifies chains up to `root`: says a byte and closes at `port`, waits for a request at `idle_port`. Tickets cost
    it time where nobody resumes."""
    name = "nginx-mtls-tickets" if tickets else "nginx-mtls"
    port, idle_port = free_port(), free_port()
    modules = f"load_module {STREAM_MODULE};" if STREAM_MODULE.exists() else ""
    tls = NGINX_MTLS_SETTINGS.format(folder=folder, root=client_cas(folder, root), tickets="on" if tickets else "off")
    body = NGINX_MTLS.format(port=port, idle_port=idle_port, tls=tls)
    return Mtls(name, nginx_command(name, folder, modules, body), folder, port, idle_port, 19_000)


def openssl_mtls(built, folder, root, tickets=False):
    """The bound: OpenSSL's handshake alone (bench_tls.cc)."""
    name, port = "openssl-mtls-tickets" if tickets else "openssl-mtls", free_port()
    command = [built / "benchmarks" / "bench_tls", port, folder / "server.pem", folder / "server.key", client_cas(folder, root), "resumed" if tickets else "full"]
    return Mtls(name, [str(word) for word in command], folder, port, port, 1)


def haproxy_mtls(folder, root):
    """The same by HAProxy, one thread; for connections that wait."""
    port = free_port()
    identity = "    user haproxy\n    group haproxy" if os.geteuid() == 0 else ""
    config = folder / "haproxy-mtls.cfg"
    config.write_text(HAPROXY_MTLS.format(identity=identity, port=port, folder=folder, root=client_cas(folder, root)))
    # It wants two descriptors for each.
    return Mtls("haproxy-mtls", [program("haproxy"), "-db", "-f", str(config)], folder, port, port, 9_500)


def openssl_ocsp(folder, made):
    """OpenSSL's own responder, one process, with the small CA in `made`."""
    port = free_port()
    command = [program("openssl"), "ocsp", "-index", str(made / "index.txt"), "-port", str(port), "-rsigner", str(made / "ca.pem"),
               "-rkey", str(made / "ca.key"), "-CA", str(made / "ca.pem"), "-nmin", "5"]
    # A connection without a request would keep it busy for ever, so that it must not be probed.
    return Rival("openssl-ocsp", command, folder, port, lambda self: "waiting for OCSP client" in self.process.tail())


def make_small_ca(folder):
    """A P-256 CA, a certificate of it, an index that calls it good, and a request about it: made by OpenSSL."""
    folder.mkdir()
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]

    def openssl(*words):
        done = subprocess.run([program("openssl"), *words], cwd=folder, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode != 0:
            raise Failed(f"openssl {words[0]}: {done.stderr.strip()[-300:]}")
        return done.stdout

    openssl("req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=bench CA", "-days", "2")
    openssl("req", *curve, "-keyout", "leaf.key", "-out", "leaf.csr", "-subj", "/CN=leaf")
    openssl("x509", "-req", "-in", "leaf.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-set_serial", "0x1001", "-days", "1", "-out", "leaf.pem")
    (folder / "index.txt").write_text("V\t491231235959Z\t\t1001\tunknown\t/CN=leaf\n")
    openssl("ocsp", "-issuer", "ca.pem", "-cert", "leaf.pem", "-no_nonce", "-reqout", "request.der")
    return folder / "request.der"
