"""A plant's network: a network namespace, joined to this one by a cable, with a packet filter of its own on the way out, and
what stands in such networks: a squid, SOCKS proxies, somebody who inspects TLS. Needs root.
"""
import datetime
import hashlib
import os
import pathlib
import re
import shutil
import socket
import ssl

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import namespaces
from cases import Missing, want
from stage import tool, wait_for
from installation import Process  # by the path that stage has set
from ssh_server import SshServer
from tcp import serve_each

HERE, THERE = "169.254.77.1", "169.254.77.2"  # link-local: no route leads on
NEAR, FAR = "near", "far"  # the ends of the cable
CHUNK = 65536
REALM = "the plant"  # of squid's Digest
NONCE_USES = 3


def needs(*programs):
    for program in programs:
        if not shutil.which(program):
            raise Missing(program)
    if os.geteuid() != 0:
        raise Missing("root, for a network namespace")


class Plant:
    """The namespace. What comes out of it is what `lets_out` was told last; what is dropped is counted."""

    def __init__(self):
        self.name = namespaces.namespace_name("plant")
        namespaces.add(self.name)
        try:
            self.build()
        except BaseException:
            self.close()
            raise

    def build(self):
        tool("ip", "link", "add", NEAR, "type", "veth", "peer", "name", FAR, "netns", self.name)
        tool("ip", "address", "add", f"{HERE}/30", "dev", NEAR)
        tool("ip", "link", "set", NEAR, "up")
        self.inside("ip", "address", "add", f"{THERE}/30", "dev", FAR)
        self.inside("ip", "link", "set", FAR, "up")
        self.inside("ip", "link", "set", "lo", "up")
        self.inside("sysctl", "-q", "-w", "net.ipv6.conf.all.disable_ipv6=1")
        for chain in ("INPUT", "OUTPUT", "FORWARD"):
            self.rule("-P", chain, "DROP")

    def inside(self, *command):
        return tool("ip", "netns", "exec", self.name, *command).decode()

    def rule(self, *words):
        self.inside("iptables", "-w", *(str(word) for word in words))

    def lets_out(self, *ports):
        """TCP to these ports of ours, and the replies; nothing else any more, not even what is established."""
        self.rule("-F")
        for port in ports:
            self.rule("-A", "OUTPUT", "-p", "tcp", "-d", HERE, "--dport", port, "-j", "ACCEPT")
            self.rule("-A", "INPUT", "-p", "tcp", "-s", HERE, "--sport", port, "-j", "ACCEPT")

    def drops_payloads(self, text):
        """Packets on their way out whose payload begins with `text`, behind an IP and a TCP header; before all other rules."""
        self.rule("-I", "OUTPUT", "-p", "tcp", "-m", "string", "--algo", "bm", "--string", text, "--from", "40", "--to", str(60 + len(text)), "-j", "DROP")

    def forgets_idle_flows(self, seconds):
        """As a NAT without resets: of a flow that was silent for so long no packet passes any more; new ones do."""
        for key, value in (("tcp_loose", 0), ("tcp_be_liberal", 0), ("tcp_timeout_established", seconds)):
            self.inside("sysctl", "-q", "-w", f"net.netfilter.nf_conntrack_{key}={value}")
        for chain in ("OUTPUT", "INPUT"):
            self.rule("-I", chain, "-p", "tcp", "-m", "conntrack", "--ctstate", "INVALID", "-j", "DROP")

    def dropped(self):
        """How many packets the filter has dropped on their way out because no rule let them."""
        return int(re.search(r"Chain OUTPUT \(policy DROP (\d+) packets", self.inside("iptables", "-w", "-nvxL", "OUTPUT")).group(1))

    def hits(self, chain="OUTPUT"):
        """How many packets the first rule of a chain was for."""
        return int(self.inside("iptables", "-w", "-nvxL", chain, "1").split()[0])

    def program(self, path, target, **environment):
        """Writes a program to `path` that is `target` inside."""
        words = " ".join(["-u http_proxy -u https_proxy -u HTTPS_PROXY -u all_proxy -u ALL_PROXY -u no_proxy -u NO_PROXY", *(f"{key}='{value}'" for key, value in environment.items())])
        pathlib.Path(path).write_text(f'#!/bin/sh\nexec env {words} ip netns exec {self.name} {pathlib.Path(target).resolve()} "$@"\n')
        pathlib.Path(path).chmod(0o755)
        return str(path)

    def close(self):
        """And the cable with it."""
        namespaces.delete(self.name)


class Squid:
    """Debian's squid on a port of HERE. CONNECT goes to `tls_ports` alone, as everywhere; with `logins` (by user) only who has
    one is served. `by_digest`: it asks for Digest or Basic, and a nonce has few uses. The access log holds what was shown.
    `lets_upgrades`: WebSockets pass."""

    def __init__(self, folder, port, tls_ports, logins=None, by_digest=False, lets_upgrades=False):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir()
        shutil.chown(self.folder, "proxy", "proxy")
        self.access_log = self.folder / "access.log"
        lines = [f"http_port {HERE}:{port}", "acl plant src 169.254.77.0/30", f"acl tls_ports port {' '.join(str(one) for one in tls_ports)}",
                 "http_access deny CONNECT !tls_ports"]
        if lets_upgrades:
            lines += ["http_upgrade_request_protocols websocket allow all"]
        if logins and by_digest:
            digests = self.folder / "digests"
            hashed = {user: hashlib.md5(f"{user}:{REALM}:{password}".encode()).hexdigest() for user, password in logins.items()}
            digests.write_text("".join(f"{user}:{REALM}:{one}\n" for user, one in hashed.items()))
            lines += [f"auth_param digest program /usr/lib/squid/digest_file_auth -c {digests}", "auth_param digest children 2",
                      f"auth_param digest realm {REALM}", f"auth_param digest nonce_max_count {NONCE_USES}"]
        if logins:
            passwords = self.folder / "passwords"
            passwords.write_text("".join(f"{user}:{tool('openssl', 'passwd', '-6', password).decode().strip()}\n" for user, password in logins.items()))
            lines += [f"auth_param basic program /usr/lib/squid/basic_ncsa_auth {passwords}", "auth_param basic children 2",
                      "acl known proxy_auth REQUIRED", "http_access allow known"]
        else:
            lines += ["http_access allow plant"]
        lines += ["http_access deny all", "cache deny all", "shutdown_lifetime 1 second", "dns_nameservers 127.0.0.1",
                  "logformat shown %ts %rm %ru %Ss/%>Hs %un %{Proxy-Authorization}>h", f"access_log stdio:{self.access_log} shown", f"cache_log {self.folder}/cache.log", f"pid_filename {self.folder}/squid.pid",
                  f"coredump_dir {self.folder}", "cache_effective_user proxy", "visible_hostname squid.test", "pinger_enable off"]
        config = self.folder / "squid.conf"
        config.write_text("\n".join(lines) + "\n")
        self.process = Process("squid", ["squid", "-N", "-f", str(config)], self.folder / "squid.out")
        wait_for(lambda: reachable(HERE, port), 30, lambda: f"squid to listen; it says {self.process.tail(8)}")

    def served(self, *words):
        """The lines of the access log that hold all of `words`."""
        lines = self.access_log.read_text().splitlines() if self.access_log.exists() else []
        return [line for line in lines if all(word in line for word in words)]

    def close(self):
        self.process.stop()


class HttpGateway:
    """Debian's HAProxy on a port of HERE, in its HTTP mode: what stands before servers in plants and clouds. It passes requests on
    to `port_behind` and nothing that is none."""

    def __init__(self, folder, port, port_behind):
        config = pathlib.Path(folder) / "http-gateway.cfg"
        config.write_text(f"""
global
  maxconn 200
defaults
  mode http
  timeout connect 5s
  timeout client 20s
  timeout server 20s
  timeout tunnel 1h
listen plain
  bind {HERE}:{port}
  server behind 127.0.0.1:{port_behind}
""")
        self.process = Process("haproxy", ["haproxy", "-db", "-f", str(config)], pathlib.Path(folder) / "http-gateway.log")
        wait_for(lambda: reachable(HERE, port), 30, lambda: f"haproxy to listen; it says {self.process.tail(8)}")

    def close(self):
        self.process.stop()


class Microsocks:
    """Debian's microsocks, a SOCKS 5 proxy on a port of HERE, for one user."""

    def __init__(self, folder, port, user, password):
        self.process = Process("microsocks", ["microsocks", "-i", HERE, "-p", str(port), "-u", user, "-P", password], folder / "microsocks.log")
        wait_for(lambda: reachable(HERE, port), 30, lambda: f"microsocks to listen; it says {self.process.tail(8)}")

    def close(self):
        self.process.stop()


class DynamicForwarding:
    """OpenSSH's SOCKS 5 proxy (ssh -D) on a port of HERE, for whoever comes; connections leave at an sshd."""

    def __init__(self, folder, port):
        self.server = SshServer(folder / "forwarding")
        words = ["ssh", *self.server.client_words("exit.example"), "-o", "HostKeyAlias=exit.example", "-o", "ExitOnForwardFailure=yes",
                 "-N", "-D", f"{HERE}:{port}", "-p", str(self.server.port), f"{self.server.user}@127.0.0.1"]
        self.client = Process("ssh -D", words, folder / "ssh-forwarding.log")
        wait_for(lambda: reachable(HERE, port), 30, lambda: f"ssh -D to listen; it says {self.client.tail(8)}")

    def close(self):
        self.client.stop()
        self.server.stop()


def put_in_plant(stage, serial_id):
    """An installation that listens on this side of the cable as well, and a factory-fresh device inside, whose filter lets it out to
    the installation's two ports. Returns the network and the device, whose agent does not run yet."""
    namespaces.leave_the_machines_network()
    there = stage.prepare()
    settings = there.state / "sallyport.toml"
    text = settings.read_text()
    want('"127.0.0.1"' in text, "found no listening address in sallyport.toml, want it")
    settings.write_text(text.replace('"127.0.0.1"', '"0.0.0.0"'))
    there.start()
    net = Plant()
    stage.closing.append(net.close)
    net.lets_out(there.tls_port, there.http_port)
    device, = stage.make_devices(serial_id)
    # A connection that was made before a rule came tells nothing of the rule.
    stage.configure(device, relay_address=f"{HERE}:{there.tls_port}", http_address=f"{HERE}:{there.http_port}", ready_connections=0)
    return net, device


def reachable(host, port):
    try:
        socket.create_connection((host, port), 1).close()
        return True
    except OSError:
        return False


def sign(subject, issuer, key, issuer_key, names=()):
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
    builder = builder.not_valid_after(now + datetime.timedelta(days=30))
    builder = builder.add_extension(x509.BasicConstraints(ca=not names, path_length=None), critical=True)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


class Inspector:
    """A proxy that takes CONNECT to wherever and ends TLS itself, with a certificate of its own CA for the name that is asked
    for: what TLS inspection does, as far as a client gets that does not trust that CA."""

    def __init__(self, folder, port, common_name):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir()
        # Long, and of characters of three bytes: whoever cuts it at a number of bytes has no text any more.
        self.name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Plant"), x509.NameAttribute(NameOID.COMMON_NAME, common_name),
                               x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "\u20ac" * 60)])
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.ca = sign(self.name, self.name, self.key, self.key)
        self.asked = []  # targets of CONNECT
        self.heard = b""  # what was said inside TLS
        self.listener = socket.create_server((HERE, port))
        serve_each(self.listener, self.serve)

    def context(self, name):
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        leaf = sign(subject, self.name, self.key, self.key, (name,))
        pem = self.folder / f"{name}.pem"
        key = self.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        pem.write_bytes(key + leaf.public_bytes(serialization.Encoding.PEM) + self.ca.public_bytes(serialization.Encoding.PEM))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        return context

    def serve(self, near):
        near.settimeout(20)
        try:
            with near:
                head = b""
                while not head.endswith(b"\r\n\r\n"):
                    piece = near.recv(1)
                    if not piece:
                        return
                    head += piece
                method, target = head.split()[:2]
                if method != b"CONNECT":
                    near.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
                    return
                self.asked.append(target.decode())
                near.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                outer = self.context("unnamed")
                outer.sni_callback = lambda line, name, _: setattr(line, "context", self.context(name or "unnamed"))
                with outer.wrap_socket(near, server_side=True) as line:
                    while data := line.recv(CHUNK):
                        self.heard += data
        except OSError:  # the client does not like the certificate
            pass

    def close(self):
        self.listener.close()
