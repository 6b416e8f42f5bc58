"""A DNS server on loopback that answers for CAA as it is told to (RFC 1035, RFC 8659): over UDP, and over TCP what does not fit."""
import socket
import struct
import threading

CAA, CNAME = 257, 5
NXDOMAIN, SERVFAIL, REFUSED = 3, 2, 5
UDP_OCTETS = 512


def caa(tag, value, flags=0):
    return CAA, bytes([flags, len(tag)]) + tag.encode() + (value if isinstance(value, bytes) else value.encode())


def wire_name(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


class DnsServer:
    """`zone` maps a name to a list of records (type, RDATA), a response code, or None for silence. Other names do not exist."""

    def __init__(self):
        self.zone = {}
        self.asked = []
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.tcp = socket.socket()
        self.tcp.bind(("127.0.0.1", 0))
        self.port = self.tcp.getsockname()[1]
        self.udp.bind(("127.0.0.1", self.port))
        self.tcp.listen()
        for serve in (self.serve_udp, self.serve_tcp):
            threading.Thread(target=serve, daemon=True).start()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def answer(self, question):
        labels, at = [], 12
        while question[at]:
            labels.append(question[at + 1:at + 1 + question[at]].decode())
            at += 1 + question[at]
        name, asked = ".".join(labels).lower(), question[12:at + 5]
        self.asked.append(name)
        said = self.zone.get(name, NXDOMAIN)
        if said is None:
            return None
        code, records = (said, []) if isinstance(said, int) else (0, said)
        body = b"".join(b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 60, len(data)) + data for kind, data in records)
        return question[:2] + struct.pack(">HHHHH", 0x8180 | code, 1, len(records), 0, 0) + asked + body

    def serve_udp(self):
        while True:
            try:
                question, source = self.udp.recvfrom(4096)
            except OSError:
                return
            if not question:  # what a shutdown makes of a socket
                return
            answer = self.answer(question)
            if answer and len(answer) > UDP_OCTETS:
                answer = answer[:2] + struct.pack(">HHHHH", 0x8380, 1, 0, 0, 0) + question[12:question.index(b"\0", 12) + 5]
            if answer:
                self.udp.sendto(answer, source)

    def serve_tcp(self):
        while True:
            try:
                line, _ = self.tcp.accept()
            except OSError:
                return
            with line:
                size = struct.unpack(">H", line.recv(2, socket.MSG_WAITALL))[0]
                answer = self.answer(line.recv(size, socket.MSG_WAITALL))
                if answer:
                    line.sendall(struct.pack(">H", len(answer)) + answer)

    def close(self):
        for each in (self.udp, self.tcp):
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            each.close()
