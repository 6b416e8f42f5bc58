"""What every small TCP server of these scripts does: connections served by threads, and bytes carried from one end to another."""
import socket
import threading

CHUNK = 65536


def serve_each(listener, serve):
    """Calls `serve(connection)` in a thread of its own for everybody who comes, until the listener is closed. Returns at once."""
    def accept():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()


def carry(source, target, note=None, first=b""):
    """Carries `first` and then all that `source` says to `target`, and the end of it. `note` hears of each piece before it goes on."""
    data = first
    try:
        while data or (data := source.recv(CHUNK)):
            if note:
                note(data)
            target.sendall(data)
            data = b""
    except OSError:
        pass
    try:
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass
