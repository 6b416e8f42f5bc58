"""libsallyport_rpc by ctypes: what a caller in another language writes."""
import ctypes
import json

(OK, FAULT, DENIED, TIMEOUT, DISCONNECTED, OUTCOME_UNKNOWN, NOT_RUN, ACCEPTED, UNKNOWN_CALL, USAGE, CLOSED, INTERNAL) = range(12)
IDEMPOTENT, FAIL_ON_DISCONNECT, STORED = 1, 2, 4
ABI = 1
Progress = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_char_p)


class Choices(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("timeout_ms", ctypes.c_uint32), ("flags", ctypes.c_uint32), ("call_id", ctypes.c_char_p),
                ("on_progress", Progress), ("context", ctypes.c_void_p)]


class Answer:
    def __init__(self, library, raw):
        self.status = library.sallyport_rpc_answer_status(raw)
        self.json = json.loads(library.sallyport_rpc_answer_json(raw))
        self.message = library.sallyport_rpc_answer_message(raw).decode()
        self.code = library.sallyport_rpc_answer_code(raw)
        self.call_id = library.sallyport_rpc_answer_call_id(raw).decode()
        library.sallyport_rpc_answer_free(raw)

    def __repr__(self):
        return f"status {self.status}, code {self.code}, {self.json}, {self.message!r}, call {self.call_id!r}"


class Library:
    def __init__(self, build):
        self.path = build / "apps" / "libsallyport_rpc.so"
        self.c = ctypes.CDLL(str(self.path))
        for name, result, arguments in (
                ("abi", ctypes.c_int, []), ("version", ctypes.c_char_p, []), ("new", ctypes.c_void_p, []),
                ("set", ctypes.c_int, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p]), ("open", ctypes.c_int, [ctypes.c_void_p, ctypes.c_char_p]),
                ("error", ctypes.c_char_p, [ctypes.c_void_p]), ("close", None, [ctypes.c_void_p]),
                ("call", ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.POINTER(Choices)]),
                ("ask", ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint32]),
                ("answer_status", ctypes.c_int, [ctypes.c_void_p]), ("answer_json", ctypes.c_char_p, [ctypes.c_void_p]),
                ("answer_message", ctypes.c_char_p, [ctypes.c_void_p]), ("answer_code", ctypes.c_int32, [ctypes.c_void_p]),
                ("answer_call_id", ctypes.c_char_p, [ctypes.c_void_p]), ("answer_free", None, [ctypes.c_void_p])):
            function = getattr(self.c, f"sallyport_rpc_{name}")
            function.restype, function.argtypes = result, arguments


def octets(text):
    return text if text is None or isinstance(text, bytes) else str(text).encode()


class Rpc:
    """A handle. `settings` are (name, value)."""

    def __init__(self, library, *settings):
        self.c = library.c
        self.handle = self.c.sallyport_rpc_new()
        for name, value in settings:
            status = self.set(name, value)
            assert status == OK, self.error()

    def set(self, name, value):
        return self.c.sallyport_rpc_set(self.handle, octets(name), octets(value))

    def open(self, node):
        return self.c.sallyport_rpc_open(self.handle, octets(node))

    def error(self):
        return self.c.sallyport_rpc_error(self.handle).decode()

    def call(self, method, params=None, seconds=20, flags=0, call_id=None, on_progress=None, size=ctypes.sizeof(Choices)):
        told = Progress(lambda _context, json_text: on_progress(json.loads(json_text))) if on_progress else Progress()
        choices = Choices(size=size, timeout_ms=int(seconds * 1_000), flags=flags, call_id=octets(call_id), on_progress=told)
        text = json.dumps(params) if isinstance(params, (dict, list)) else params
        return Answer(self, self.c.sallyport_rpc_call(self.handle, octets(method), octets(text), ctypes.byref(choices)))

    def ask(self, call_id, seconds=10):
        return Answer(self, self.c.sallyport_rpc_ask(self.handle, octets(call_id), int(seconds * 1_000)))

    def close(self):
        handle, self.handle = self.handle, None
        self.c.sallyport_rpc_close(handle)

    def __getattr__(self, name):  # for Answer: the library's functions
        return getattr(self.c, name)
