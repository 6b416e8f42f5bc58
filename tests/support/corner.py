"""A corner of the network where the installation's names resolve and its plain port is 80, as in a certificate's AIA: for clients
that cannot be told another address. It is a network namespace whose loopback has a listener that belongs to this process,
which carries every connection over to the relay.
"""
import os
import pathlib
import shutil
import socket
import subprocess
import threading

import namespaces
from cases import Missing
from own_namespace import CLONE_NEWNET, enter
from stage import tool

CHUNK = 65536


class Corner:
    def __init__(self, names, port):
        """`names` resolve to loopback in here, whose port 80 is `port` outside. Needs root."""
        if os.geteuid() != 0 or not shutil.which("ip"):
            raise Missing("root and ip, for a network namespace")
        self.name = namespaces.namespace_name("corner")
        self.port = port
        self.passed = 0  # connections
        self.hosts = pathlib.Path("/etc/netns") / self.name / "hosts"  # `ip netns exec` shows it as /etc/hosts
        self.had_folder = self.hosts.parent.parent.exists()
        self.hosts.parent.mkdir(parents=True)
        self.hosts.write_text(f"127.0.0.1 localhost {' '.join(names)}\n")
        self.listener = None
        try:
            namespaces.add(self.name)
            self.run("ip", "link", "set", "lo", "up")
            self.listen()
        except BaseException:
            self.close()
            raise

    def listen(self):
        """A socket stays in the namespace in which it was made; only the thread that makes it has to go there."""
        failures = []

        def make():
            try:
                enter(CLONE_NEWNET, f"/run/netns/{self.name}")
                self.listener = socket.create_server(("127.0.0.1", 80))
            except OSError as error:
                failures.append(error)

        maker = threading.Thread(target=make)
        maker.start()
        maker.join()
        if failures:
            raise failures[0]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
                far = socket.create_connection(("127.0.0.1", self.port), timeout=30)
            except OSError:
                return
            self.passed += 1
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self.carry, args=(one, other), daemon=True).start()

    @staticmethod
    def carry(one, other):
        try:
            while data := one.recv(CHUNK):
                other.sendall(data)
            other.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def run(self, *command, **options):
        """As tool(): the program's standard output, or a failure."""
        return tool("ip", "netns", "exec", self.name, *command, **options)

    def attempt(self, *command, seconds=60, environment=None):
        """(exit status, everything that was said, in one line)"""
        done = subprocess.run(["ip", "netns", "exec", self.name, *(str(word) for word in command)], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", timeout=seconds, check=False,
                              env=environment)
        return done.returncode, " ".join(done.stdout.split())

    def close(self):
        if self.listener:
            self.listener.close()
        namespaces.delete(self.name)
        shutil.rmtree(self.hosts.parent if self.had_folder else self.hosts.parent.parent, ignore_errors=True)
