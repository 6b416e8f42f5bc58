"""nginx and HAProxy as a test needs them: on a free loopback port, in the foreground, ended by process id."""
import contextlib
import socket
import subprocess

from stage import free_port, wait_for

START_SECONDS = 20


@contextlib.contextmanager
def running(port, *command):
    """A program that listens on `port`, until the end of the block."""
    child = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def listens():
        if child.poll() is not None:
            raise AssertionError(f"{command[0]} ended with {child.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            return False
        return True

    try:
        wait_for(listens, START_SECONDS, f"{command[0]} to listen")
        yield
    finally:
        child.terminate()
        child.wait()


@contextlib.contextmanager
def nginx(folder, name, server):
    """A TLS server of nginx with the lines of `server` in it; yields its port and its log."""
    port = free_port()
    config, log = folder / f"nginx-{name}.conf", folder / f"nginx-{name}.log"
    config.write_text(f"""daemon off; master_process off; pid {folder}/nginx-{name}.pid; error_log {log} info;
events {{ worker_connections 64; }}
http {{ access_log off;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};
  server {{ listen 127.0.0.1:{port} ssl; {server} }} }}
""")
    with running(port, "nginx", "-c", config, "-p", folder):
        yield port, log


@contextlib.contextmanager
def haproxy(folder, name, bind, status=200):
    """A TLS server of HAProxy that answers every request with `status`; `bind` is what stands behind its address. Yields its port."""
    port = free_port()
    config = folder / f"haproxy-{name}.cfg"
    config.write_text(f"""defaults
  mode http
  timeout client 20s
  timeout server 20s
  timeout connect 5s
frontend f
  bind 127.0.0.1:{port} ssl {bind}
  http-request return status {status}
""")
    with running(port, "haproxy", "-db", "-f", config):
        yield port
