"""The step of ./demo --check that reaches a device as a technician would: by SSH, through the relay."""
import hashlib
import os
import subprocess

from installation import Failed, wait_for
from ssh_server import SshServer

SIZE = 1_000_000
COME_BACK_SECONDS = 30


def ssh_through_relay(world):
    """`sallyport ssh` runs a command on a real sshd behind the device and brings its exit status back; scp brings a file there
    whole, by ProxyCommand. The server is known by its own key. A device that was suspended meanwhile ends the session."""
    there, device = world.there, world.second
    world.sshd = sshd = SshServer(there.folder / "sshd")
    with open(device.state / "agent.toml", "a") as file:
        file.write(f'\n[[service]]\nname = "ssh"\nkind = "tcp"\ntarget = "127.0.0.1:{sshd.port}"\n')
    device.agent.stop()
    there.start_agent(device)
    wait_for(lambda: "ssh" in offered(there, device), COME_BACK_SECONDS, "the device to offer its SSH server")
    settings = there.folder / "connect.toml"
    settings.write_text(f'console = "{there.console_url}"\nlogin = "{there.owner}"\npassword_file = "{there.password_file}"\n'
                        f'root_certificate = "{there.state}/trust/root.pem"\nconnect_to = "127.0.0.1:{there.tls_port}"\n')
    host = f"{device.serial_id}.sallyport"
    login = [there.sallyport, "ssh", "--settings", str(settings), f"{sshd.user}@{device.serial_id}", *sshd.client_words(host)]
    said = run([*login, "echo there; exit 7"])
    if (said.returncode, said.stdout) != (7, b"there\n"):
        raise Failed(f"exit {said.returncode}, {said.stdout!r}: {said.stderr.decode(errors='replace')[-300:]}", "'there' and exit 7")
    data = os.urandom(SIZE)
    (there.folder / "carried").write_bytes(data)
    target = there.folder / "arrived"
    proxy = f"ProxyCommand={there.sallyport} connect --settings {settings} %h ssh"
    copied = run(["scp", "-q", *sshd.client_words(host), "-o", proxy, there.folder / "carried", f"{sshd.user}@{host}:{target}"])
    if copied.returncode != 0 or hashlib.sha256(target.read_bytes()).digest() != hashlib.sha256(data).digest():
        raise Failed(f"exit {copied.returncode}: {copied.stderr.decode(errors='replace')[-300:]}", f"{SIZE} bytes copied whole")
    suspend_cuts(there, device, login)


def suspend_cuts(there, device, login):
    held = subprocess.Popen([*login, "echo in; sleep 600"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        if held.stdout.readline() != b"in\n":
            raise Failed("no session", "one to cut")
        there.run("device", "suspend", device.serial_id, "--state", there.state)
        try:
            status = held.wait(5)
        except subprocess.TimeoutExpired:
            raise Failed("the session alive after 5 s", "it cut with its device suspended") from None
        if status != 255:
            raise Failed(f"exit {status} of the session that was cut", "255")
    finally:
        held.kill()
        held.communicate()
    there.run("device", "resume", device.serial_id, "--state", there.state)
    wait_for(lambda: there.device(device.serial_id)["online"], COME_BACK_SECONDS, "the device to be back")


def offered(there, device):
    record = there.device(device.serial_id)
    return [one["name"] for one in record["services"]] if record["online"] else []


def run(words):
    return subprocess.run([str(word) for word in words], stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)
