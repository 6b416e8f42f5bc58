#!/usr/bin/env python3
"""Records the ClientHello of real TLS clients into hellos.txt.

Each client is pointed at a listener on 127.0.0.1 that reads one ClientHello and closes. Clients that are not installed are
left out, with a line on standard error. The expectations are what the client was told to send, not what a parser read.

    ./make_hellos.py > hellos.txt
"""
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

NAME = "abcdefghij234567.k3v7q2x5ma.devices.localhost"


def capture(command, environment=None, wait=25):
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(8)
    listener.settimeout(wait)
    port = listener.getsockname()[1]
    command = [part.replace("PORT", str(port)) for part in command]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               env={**os.environ, **(environment or {})}, start_new_session=True)
    received = b""
    try:
        connection, _ = listener.accept()
        connection.settimeout(5)
        while len(received) < 5 or len(received) < 5 + int.from_bytes(received[3:5], "big"):
            chunk = connection.recv(65536)
            if not chunk:
                break
            received += chunk
        connection.close()
    except OSError:
        pass
    finally:
        listener.close()
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()
    return received


GO = """package main
import ("crypto/tls"; "os")
func main() {
  tls.Dial("tcp", "127.0.0.1:" + os.Args[1], &tls.Config{ServerName: "%s", NextProtos: []string{"h2", "http/1.1"}})
}
""" % NAME

JAVA = """import javax.net.ssl.*; import java.net.*; import java.util.*;
class Hello { public static void main(String[] a) throws Exception {
  Socket raw = new Socket("127.0.0.1", Integer.parseInt(a[0]));
  SSLSocket s = (SSLSocket) ((SSLSocketFactory) SSLSocketFactory.getDefault()).createSocket(raw, "%s", 1, true);
  s.startHandshake(); } }
""" % NAME

PYTHON = """import socket, ssl, sys
c = ssl._create_unverified_context(); c.set_alpn_protocols(['http/1.1'])
c.wrap_socket(socket.create_connection(('127.0.0.1', int(sys.argv[1]))), server_hostname='%s')
""" % NAME


def clients(folder):
    go = os.path.join(folder, "hello.go")
    java = os.path.join(folder, "Hello.java")
    with open(go, "w", encoding="ascii") as file:
        file.write(GO)
    with open(java, "w", encoding="ascii") as file:
        file.write(JAVA)
    openssl = ["openssl", "s_client", "-connect", "127.0.0.1:PORT", "-servername", NAME]
    chromium = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--user-data-dir=" + folder,
                f"--host-resolver-rules=MAP {NAME} 127.0.0.1", f"https://{NAME}:PORT/"]
    return [
        ("openssl", openssl, "", "no"),
        ("openssl, the agent's control connection", openssl + ["-alpn", "sallyport-control/1", "-tls1_3"],
         "sallyport-control/1", "no"),
        ("openssl, the name in upper case", openssl[:-1] + [NAME.upper()], "", "no"),
        ("curl", ["curl", "-sk", "--resolve", f"{NAME}:PORT:127.0.0.1", f"https://{NAME}:PORT/"], "h2,http/1.1", "no"),
        ("python ssl", ["python3", "-c", PYTHON, "PORT"], "http/1.1", "no"),
        ("gnutls-cli", ["gnutls-cli", "--insecure", "--sni-hostname", NAME, "-p", "PORT", "127.0.0.1"], "", "no"),
        ("go crypto/tls", ["go", "run", go, "PORT"], "h2,http/1.1", None),
        ("node", ["node", "-e", f"require('tls').connect(PORT,'127.0.0.1',{{servername:'{NAME}'}})"], "", None),
        ("java", ["java", java, "PORT"], "", "no"),
        ("chromium", chromium, "h2,http/1.1", "yes"),
    ]


def main():
    print("# Made by make_hellos.py from real clients; see there. One ClientHello each, as it stood on the wire.")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        for title, command, alpn, post_quantum in clients(folder):
            if not shutil.which(command[0]):
                print(f"{title}: {command[0]} is not installed", file=sys.stderr)
                continue
            hello = capture(command, {"GOFLAGS": "-mod=mod", "GO111MODULE": "off"})
            if not hello:
                print(f"{title}: no ClientHello came", file=sys.stderr)
                continue
            print(f"\n[{title}]\nhello        = {hello.hex()}\nserver_name  = {NAME}\nalpn         = {alpn}")
            if post_quantum:
                print(f"post_quantum = {post_quantum}")


if __name__ == "__main__":
    main()
