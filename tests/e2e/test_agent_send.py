#!/usr/bin/env python3
# test: needs=dev
"""What `sallyport-agent send` does when the agent is not there, and when it dies over its answer."""
import os
import pathlib
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import cases  # noqa: E402

UNREACHABLE = 5


def make_device(build, folder):
    """An initialised state folder of an agent that does not run."""
    passphrase = folder / "passphrase"
    passphrase.write_text("correct horse battery\n")
    passphrase.chmod(0o600)
    subprocess.run([build / "apps/sallyport", "root", "init", "--root", folder / "root", "--name", "Test", "--passphrase-file", passphrase],
                   check=True, stdout=subprocess.DEVNULL)
    state = folder / "state"
    subprocess.run([build / "apps/sallyport-agent", "init", "--state", state, "--serial-id", "pump-1", "--site", "site-1",
                    "--zone", "devices.localhost", "--root-certificate", folder / "root/root.pem", "--csr-out", folder / "csr.pem"],
                   check=True, stdout=subprocess.DEVNULL)
    return state


def send(build, state):
    return subprocess.run([build / "apps/sallyport-agent", "send", "--state", state, "--stream", "count", "7"],
                          capture_output=True, text=True, timeout=30, check=False)


def queued(state):
    if not (state / "telemetry.db").exists():
        return 0
    with sqlite3.connect(state / "telemetry.db") as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        items = next(name for name in tables if name.startswith("item"))
        return database.execute(f"SELECT count(*) FROM {items}").fetchone()[0]


def check_without_an_agent_the_value_is_queued(build):
    with tempfile.TemporaryDirectory() as folder:
        state = make_device(build, pathlib.Path(folder))
        done = send(build, state)
        cases.want(done.returncode == 0, f"found exit {done.returncode} {done.stderr.strip()}, want 0")
        cases.want(queued(state) == 1, f"found {queued(state)} items, want 1")


def check_an_agent_that_dies_over_its_answer_is_not_asked_in_another_way(build):
    with tempfile.TemporaryDirectory() as folder:
        state = make_device(build, pathlib.Path(folder))
        path = state / "run/agent.sock"
        path.parent.mkdir(exist_ok=True)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(os.fspath(path))
            listener.listen()
            heard = []

            def hear():
                connection, _ = listener.accept()
                with connection:
                    heard.append(connection.recv(65536))

            hearer = threading.Thread(target=hear)
            hearer.start()
            done = send(build, state)
            hearer.join(10)
        cases.want(heard and heard[0].startswith(b"POST /telemetry/count"), f"found {heard}, want the value handed over")
        cases.want(done.returncode == UNREACHABLE, f"found exit {done.returncode} {done.stderr.strip()}, want {UNREACHABLE}")
        cases.want(queued(state) == 0, f"found {queued(state)} items, want none: it may have been taken already")


if __name__ == "__main__":
    sys.exit(cases.run(globals(), cases.arguments().build))
