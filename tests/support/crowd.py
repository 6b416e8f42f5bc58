"""Many connections at once that do something wrong, each from one of many addresses of this machine; and what a server's
processes pay for it.
"""
import os
import pathlib
import select
import socket
import threading
import time


def addresses(count, network="127.66"):
    """Source addresses, so that no cap per source is met before the case wants it."""
    return [f"{network}.{number // 200}.{1 + number % 200}" for number in range(count)]


def cpu_of(pids):
    """Seconds of CPU that these processes have had."""
    return sum(int(pathlib.Path(f"/proc/{pid}/schedstat").read_text().split()[0]) for pid in pids) / 1e9


def memory_of(pids):
    """Bytes that these processes hold in memory."""
    page = os.sysconf("SC_PAGE_SIZE")
    return sum(int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids) * page


def descriptors_of(pids):
    return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in pids)


class Crowd:
    """`per_source` connections from each source. Each says `first` and then, with `drips`, another octet of it in every round.
    Watched in a thread until the server has ended all of them."""

    ROUND = 0.5

    def __init__(self, port, sources, per_source, first=b"", drips=b"", half_closes=False):
        self.drips = drips
        self.began = time.monotonic()
        self.ended = {}  # descriptor -> after how many seconds
        self.heard = {}  # descriptor -> what the server said
        self.lines = {}
        self.stopping = threading.Event()
        for source in sources:
            for _ in range(per_source):
                line = socket.socket()
                line.bind((source, 0))
                line.setblocking(False)
                line.connect_ex(("127.0.0.1", port))  # a reset that is already here is heard by the watch
                self.lines[line.fileno()] = line
                self.say(line, first)
                if half_closes:
                    self.say_no_more(line)
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()

    @staticmethod
    def say(line, data):
        try:
            if data:
                line.send(data)
        except OSError:
            pass

    @staticmethod
    def say_no_more(line):
        try:
            line.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    @property
    def left(self):
        return len(self.lines) - len(self.ended)

    def watch(self):
        poll = select.poll()
        for number in self.lines:
            poll.register(number, select.POLLIN | select.POLLRDHUP)
        at, next_round = 0, time.monotonic() + self.ROUND
        while self.left and not self.stopping.is_set():
            for number, _ in poll.poll(100):
                self.hear(number, poll)
            if self.drips and time.monotonic() >= next_round:
                next_round += self.ROUND
                octet, at = self.drips[at:at + 1], at + 1
                for number, line in self.lines.items():
                    if number not in self.ended:
                        self.say(line, octet)

    def hear(self, number, poll):
        try:
            data = self.lines[number].recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self.heard[number] = self.heard.get(number, b"") + data
            return
        poll.unregister(number)
        self.ended[number] = time.monotonic() - self.began

    def wait(self, seconds):
        """Until all are ended, `seconds` at most; whether they are."""
        self.thread.join(seconds)
        return not self.left

    def close(self):
        self.stopping.set()
        self.thread.join(5)
        for line in self.lines.values():
            line.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
