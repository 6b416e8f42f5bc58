"""A stock OpenVPN server and client in network namespaces of their own, which reach the installation and one another by
cables and nothing else.
"""
import pathlib
import subprocess
import sys

import namespaces
from stage import tool, wait_for
from installation import Process  # by the path that stage has set

SUBNET = "169.254.78"  # link-local: no route leads on
HERE_OF_SERVER, SERVER = f"{SUBNET}.1", f"{SUBNET}.2"
HERE_OF_DEVICE, DEVICE = f"{SUBNET}.5", f"{SUBNET}.6"
SERVER_TO_DEVICE, DEVICE_TO_SERVER = f"{SUBNET}.9", f"{SUBNET}.10"
INSIDE = "10.88.0.1"  # the server's address in the tunnel, and nowhere else
ECHO_PORT = 7007
UP_SECONDS = 40
ENOUGH = "Initialization Sequence Completed"

ECHO = """
import socket
with socket.create_server(("0.0.0.0", %d)) as listener:
    while True:
        taken, _ = listener.accept()
        with taken:
            taken.settimeout(5)
            try:
                taken.sendall(taken.recv(100))
            except OSError:
                pass
"""
SAY = """
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), 4) as line:
    line.settimeout(4)
    line.sendall(sys.argv[3].encode())
    sys.exit(line.recv(100) != sys.argv[3].encode())
"""


class Namespaces:
    """`server` and `device`, each with a cable to here and one to the other."""

    def __init__(self):
        self.server, self.device = namespaces.namespace_name("vpn"), namespaces.namespace_name("device")
        self.cables = 0
        try:
            for name in (self.server, self.device):
                namespaces.add(name)
                self.inside(name, "ip", "link", "set", "lo", "up")
            self.join(None, HERE_OF_SERVER, self.server, SERVER)
            self.join(None, HERE_OF_DEVICE, self.device, DEVICE)
            self.join(self.server, SERVER_TO_DEVICE, self.device, DEVICE_TO_SERVER)
        except BaseException:
            self.close()
            raise

    def inside(self, name, *command):
        return tool("ip", "netns", "exec", name, *command).decode()

    def join(self, a, address_a, b, address_b):
        self.cables += 1
        ends = f"cable{self.cables}a", f"cable{self.cables}b"
        tool("ip", "link", "add", ends[0], "type", "veth", "peer", "name", ends[1], "netns", b)
        if a is not None:
            tool("ip", "link", "set", ends[0], "netns", a)
        for end, name, address in zip(ends, (a, b), (address_a, address_b)):
            run = tool if name is None else lambda *words, of=name: self.inside(of, *words)
            run("ip", "address", "add", f"{address}/30", "dev", end)
            run("ip", "link", "set", end, "up")

    def close(self):
        for name in (self.server, self.device):  # and the cables with them
            namespaces.delete(name)

    def tunnels_of_device(self):
        return self.inside(self.device, "ip", "-o", "link", "show", "type", "tun").split("\n")[:-1]

    def bytes_pass(self, text="over the tunnel"):
        """Whether a connection through the tunnel carries `text` there and back."""
        done = subprocess.run(["ip", "netns", "exec", self.device, sys.executable, "-c", SAY, INSIDE, str(ECHO_PORT), text],
                              capture_output=True, timeout=30, check=False)
        return done.returncode == 0


class Vpn:
    """An OpenVPN process with a configuration in which lines may be replaced; ended when the block is left."""

    count = 0

    def __init__(self, namespace, config, folder, replace=None):
        Vpn.count += 1
        text = pathlib.Path(config).read_text()
        for old, new in (replace or {}).items():
            assert old in text, f"{config}: lacks {old!r}"
            text = text.replace(old, new)
        self.config = pathlib.Path(folder) / f"{Vpn.count}-{pathlib.Path(config).name}"
        self.config.write_text(text)
        self.command = ["ip", "netns", "exec", namespace, "openvpn", "--config", str(self.config), "--verb", "3"]
        self.log = pathlib.Path(folder) / f"{Vpn.count}-openvpn.log"

    def __enter__(self):
        self.process = Process("openvpn", self.command, self.log)
        return self

    def __exit__(self, *_):
        self.process.stop()

    def text(self):
        return self.log.read_text(errors="replace")

    def is_up(self):
        return ENOUGH in self.text()

    def until_up(self):
        wait_for(lambda: self.is_up() or not self.process.running(), UP_SECONDS, f"{self.config.name} to come up; it says {self.process.tail(5)}")
        wait_for(self.process.running, 1, f"{self.config.name} to run; it says {self.process.tail(8)}")
        return self

    def until_says(self, *words, seconds=UP_SECONDS, at=0):
        """The first line after the first `at` characters that holds all of `words`."""
        def line():
            return next((one for one in self.text()[at:].splitlines() if all(word in one for word in words)), None)
        try:
            return wait_for(line, seconds, f"{self.config.name} to say {words}")
        except Exception:
            print(f"# {self.config.name} said:\n{self.process.tail(25)}", file=sys.stderr)
            raise

    def mark(self):
        return len(self.text())
