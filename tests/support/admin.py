"""The authority's administration socket, spoken as the command line speaks it: for orders that have no command.

    frame := u32 length | id u64 | kind u8 | body       kind: 1 request, 2 answer, 3 error, 4 event
    body of a request := method u16 | fields of tag u16, length u24, value
"""
import json
import socket

ADMIN, OWNER = 14, 3
REQUEST, ANSWER, ERROR = 1, 2, 3


class Refused(Exception):
    pass


def field(tag, value):
    return tag.to_bytes(2, "big") + len(value).to_bytes(3, "big") + value


def read_exactly(connection, count):
    data = b""
    while len(data) < count:
        more = connection.recv(count - len(data))
        if not more:
            raise Refused("the authority closed the connection")
        data += more
    return data


def administer(there, method, actor=None, **parameters):
    """Has the authority do `method` in the name of the owner; Refused with its sentence."""
    texts = [method, actor or there.owner, None, "", "test", "0" * 32, json.dumps(parameters)]
    fields = b"".join(field(tag, bytes([OWNER]) if text is None else text.encode()) for tag, text in enumerate(texts, 1))
    frame = (1).to_bytes(8, "big") + bytes([REQUEST]) + ADMIN.to_bytes(2, "big") + fields
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        connection.connect(str(there.state / "run" / "admin.sock"))
        connection.sendall(len(frame).to_bytes(4, "big") + frame)
        while True:
            answer = read_exactly(connection, int.from_bytes(read_exactly(connection, 4), "big"))
            kind, body = answer[8], answer[9:]
            if kind == ERROR:
                raise Refused(body[1:].decode(errors="replace"))
            if kind == ANSWER:
                return json.loads(body)
