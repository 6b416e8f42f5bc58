# test: needs=release deadline=900 long
# test: alone
"""./bench measures and prints lines of the right form. Whatever the figures are, they decide nothing here."""
import json
import pathlib
import socket
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
import cases  # noqa: E402

ROOT = cases.ROOT
KEYS = ["bench", "metric", "unit", "ours", "rival", "theirs", "ratio", "spread", "runs", "goal", "holds"]
RELAY = {("cpu_seconds_per_gb", "haproxy-forced-splice", "s/GB", "<=0.75"), ("cpu_seconds_per_gb", "nginx-stream", "s/GB", "<=0.35"),
         ("cpu_seconds_per_gb_64", "haproxy-forced-splice", "s/GB", "<=0.75"), ("cpu_seconds_per_gb_64", "nginx-stream", "s/GB", "<=0.35"),
         ("connections_per_s", "haproxy-sni-passthrough", "1/s", ">=0.8"), ("connections_ready_per_s", "haproxy-sni-passthrough", "1/s", ">=1.2"),
         ("latency_p99_us", "haproxy-sni-passthrough", "us", "<=1.1"), ("first_byte_ms", "direct-tls", "ms", "<=+100"), ("interactive_p99_us", "idle", "us", "<=2")}
HANDSHAKE = {("full_per_s", "nginx-mtls", "1/s", ">=1.5"), ("resumed_per_s", "nginx-mtls", "1/s", ">=3")}
DEVICES = {("idle_device_kb", "nginx-mtls", "kB", "<=0.6"), ("idle_device_kb", "haproxy-mtls", "kB", "<=0.6"),
           ("idle_devices", None, "devices", ">=100000"), ("idle_devices_kb", None, "kB", "<=15")}
STORM = {("back_99_s", None, "s", "<=30"), ("idle_again_s", None, "s", "<=30")}
SOAK = {(f"{what}_{unit}_per_h", "kB/h" if unit == "kb" else "1/h") for what in ("all", "relay", "agent") for unit in ("kb", "descriptors")}
STATUS = {("presigned_per_s", "nginx-static", "1/s", ">=1"), ("presigned_per_s", "openssl-ocsp", "1/s", ">=20"), ("nonce_per_s", "bound", "1/s", ">=0.7"),
          ("crl_build_s", "X509_CRL", "s", "<=0.1"), ("crl_build_mb", None, "MB", "<=100"), ("snapshot_mb", None, "MB", "<=400"), ("revocation_nonce_ms", None, "ms", "<=2000"),
          ("revocation_kept_ms", None, "ms", "<=5000"), ("revocation_cut_ms", None, "ms", "<=1000"), ("revocation_crl_s", None, "s", "<=600"),
          ("revocation_load_per_s", None, "1/s", ">=5000")}
REVOKED_QUICKLY = 20
ISSUE = {("csr_to_certificate_per_s", "bound", "1/s", ">=0.6"), ("durable_per_s", None, "1/s", ">=5000"), ("factory_per_s", None, "1/s", ">=50")}
VERIFY = {("chains_per_s", "X509_verify_cert", "1/s", ">=1"), ("parsed_chains_per_s", "X509_verify_cert", "1/s", ">=1")}
RPC = {("seal_open_per_s", "bound", "1/s", ">=0.6"), ("seal_open_per_s", "eva-v3-binary", "1/s", None), ("seal_open_per_s", "eva-v3-text", "1/s", None),
       ("overhead_bytes", "specified", "B", "<=1"), ("overhead_bytes", "eva-v3-binary", "B", None), ("overhead_bytes", "eva-v3-text", "B", None),
       ("calls_per_s", "plain-json-rpc", "1/s", ">=0.95"), ("calls_per_s", "mosquitto-echo", "1/s", ">=0.8"),
       ("p50_us", "plain-json-rpc", "us", "<=1.05"), ("p50_us", "eva-v3-binary", "us", None)}


def bench(*words, status=0):
    done = subprocess.run([ROOT / "bench", "--no-install", *words], capture_output=True, text=True, timeout=800, check=False)
    cases.want(done.returncode == status, f"./bench {' '.join(map(str, words))}: exit {done.returncode}, want {status}: {done.stderr.strip()[-400:]}")
    return done


def need_rivals():
    missing = subprocess.run([ROOT / "tools" / "packages.sh", "missing", "bench"], capture_output=True, text=True, check=True).stdout.split()
    if missing:
        raise cases.Missing(" ".join(missing))


def measure_quickly(entry, wanted, benches=None):
    need_rivals()
    lines = [json.loads(line) for line in bench(entry, "--quick", "--json").stdout.splitlines()]
    for line in lines:
        histogram = line.pop("histogram", None)
        if histogram is not None:
            cases.want(sum(number for _, number in histogram) == REVOKED_QUICKLY, f"{line['metric']}: {histogram}, want {REVOKED_QUICKLY} in it")
            cases.want(histogram[-1][0] == line["ours"], f"{line['metric']}: {histogram}, want it to end with the longest, {line['ours']}")
        cases.want(list(line) == KEYS, f"keys {list(line)}, want {KEYS}")
        cases.want(line["bench"] in (benches or [entry]) and line["runs"] == 1, f"bench {line['bench']} of {line['runs']} runs, want {benches or entry} of 1")
        cases.want(line["ours"] > 0, f"{line['metric']}: {line['ours']}, want a figure above 0")
        judged = line["ours"]
        if line["rival"] is None:
            cases.want(line["theirs"] is None and line["ratio"] is None, f"{line['metric']}: found {line}, want neither theirs nor ratio without a rival")
        else:
            judged = line["ratio"]
            cases.want(line["theirs"] > 0, f"{line['metric']}: {line['theirs']}, want a figure above 0")
            cases.want(abs(judged - line["ours"] / line["theirs"]) < 0.01 * judged, f"ratio {judged}, want ours/theirs")
        if line["goal"] is None:
            cases.want(line["holds"] is None, f"{line['metric']}: holds {line['holds']} without a goal")
            continue
        if line["goal"].startswith("<=+"):
            judged = line["ours"] - line["theirs"]
        limit = float(line["goal"].lstrip("<>=+"))
        holds = judged <= limit if line["goal"].startswith("<=") else judged >= limit
        cases.want(line["holds"] is holds, f"{line['metric']}: holds {line['holds']} at {line['ratio']} {line['goal']}")
    found = {(line["metric"], line["rival"], line["unit"], line["goal"]) for line in lines}
    cases.want(found == wanted, f"found {sorted(found, key=str)}, want {sorted(wanted, key=str)}")


def check_entries_are_listed(_):
    names = bench("--list").stdout.split()
    wanted = ["relay", "handshake", "devices", "storm", "status", "issue", "verify", "rpc", "soak"]
    cases.want(names == wanted, f"found {names}, want {wanted}")


def check_unknown_entry_is_refused(_):
    done = bench("relai", status=2)
    cases.want("relai" in done.stderr and "relay" in done.stderr, f"found {done.stderr!r}, want what there is")


def check_relay_lines(_):
    measure_quickly("relay", RELAY)


def check_handshake_lines(_):
    measure_quickly("handshake", HANDSHAKE)


def check_devices_lines(_):
    measure_quickly("devices", DEVICES, ["relay"])


def check_storm_lines(_):
    measure_quickly("storm", STORM)


def check_soak_lines(_):
    lines = [json.loads(line) for line in bench("soak", "--quick", "--json").stdout.splitlines()]
    for line in lines:
        cases.want(list(line) == [*KEYS, "standard_error", "mean"], f"keys {list(line)}, want {KEYS} and the slope's")
        cases.want(line["mean"] > 0 and line["runs"] >= 3, f"{line['metric']}: found {line}, want something seen several times")
        cases.want(line["holds"] is (line["ours"] <= 3 * line["standard_error"]), f"{line['metric']}: holds {line['holds']} at {line['ours']} ± {line['standard_error']}")
    found = {(line["metric"], line["unit"]) for line in lines}
    cases.want(found == SOAK, f"found {sorted(found)}, want {sorted(SOAK)}")


def check_status_lines(_):
    measure_quickly("status", STATUS)


def check_issue_lines(_):
    measure_quickly("issue", ISSUE)


def check_verify_lines(_):
    measure_quickly("verify", VERIFY)


def check_rpc_lines(_):
    measure_quickly("rpc", RPC)


def check_medians_are_compared_and_one_wild_run_decides_nothing(_):
    sys.path.insert(0, str(ROOT / "benchmarks"))
    import measure
    ours, theirs = iter([1.0, 1.0, 50.0]), iter([2.0, 2.0, 2.0])
    rival = measure.Rival("them", lambda: next(theirs), measure.Goal("<=", 0.5))
    metric = measure.Metric("bench", "metric", "s", lambda: next(ours), (rival,))
    line = metric.lines(3, lambda text: None)[0]
    cases.want((line["ours"], line["theirs"], line["ratio"], line["holds"]) == (1.0, 2.0, 0.5, True), f"found {line}")
    cases.want(line["spread"] > 10, f"spread {line['spread']}, want it to show the wild run")


def imported(name):
    folder = str(ROOT / "benchmarks")
    if folder not in sys.path:
        sys.path[:0] = [folder, str(ROOT / "tools" / "demo")]
    return __import__(name)


def check_goal_of_a_difference_is_no_goal_of_a_ratio(_):
    goal = imported("measure").Goal("<=+", 100)
    cases.want(str(goal) == "<=+100", f"found {goal}, want <=+100")
    for ours, theirs, holds in ((400, 300, True), (401, 300, False), (90, 0, True), (200, 300, True)):
        cases.want(goal.holds_against(ours, theirs) is holds, f"{ours} against {theirs}: want {holds}")


def check_leak_is_found_beside_noise_and_noise_is_no_leak(_):
    import random
    slope, judge = imported("bench_soak").slope, imported("measure").Slope
    dice = random.Random(1)
    for leak, holds in ((0.0, True), (400.0, False), (-400.0, True)):
        points = [(n / 100, 50_000 + leak * n / 100 + dice.gauss(0, 30)) for n in range(100)]
        found, error = slope(points)
        cases.want(abs(found - leak) < 4 * error, f"slope {found} ± {error}, want {leak}")
        line = judge("soak", "all_kb_per_h", "kB/h", found, error, len(points), 50_000).line()
        cases.want(line["holds"] is holds, f"found {line}, want {holds}")


def check_slope_of_what_strays_slowly_has_a_larger_error(_):
    import random
    slope = imported("bench_soak").slope
    dice, walk, alone, together = random.Random(2), 0.0, [], []
    for n in range(200):
        step = dice.gauss(0, 1)
        walk = 0.9 * walk + step
        alone.append((n, step))
        together.append((n, walk))
    cases.want(slope(together)[1] > 5 * slope(alone)[1], f"found {slope(together)} and {slope(alone)}")
    cases.want(slope([(n, 7) for n in range(9)]) == (0.0, 0.0), "what never changes has no slope and no error")


class Far:
    """A server of this thread behind delay.py: what `serve` does with its connection."""

    def __init__(self, one_way_ms, serve):
        self.listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=lambda: serve(self.listener.accept()[0]), daemon=True).start()
        program = ROOT / "benchmarks" / "delay.py"
        self.child = subprocess.Popen([sys.executable, program, str(one_way_ms), str(self.listener.getsockname()[1])], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = int(self.child.stdout.readline())

    def __enter__(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def __exit__(self, *_):
        self.child.stdin.close()
        self.child.wait(10)
        self.listener.close()


def check_delayed_bytes_come_in_order_a_round_trip_later_and_the_end_with_them(_):
    data = bytes(range(256)) * 4_000

    def answer_after_the_end(line):
        heard = b""
        while piece := line.recv(65536):
            heard += piece
        line.sendall(heard)
        line.close()

    with Far(60, answer_after_the_end) as line:
        began = time.monotonic()
        line.sendall(data)
        line.shutdown(socket.SHUT_WR)
        back = b""
        while piece := line.recv(65536):
            if not back:
                # One for the connection, one for what was said and its answer.
                took = time.monotonic() - began
                cases.want(took >= 0.24, f"first byte after {took:.3f} s, want two round trips of 0.12 s")
            back += piece
        cases.want(back == data, f"found {len(back)} other bytes, want the {len(data)} that were sent")


def check_delayed_reset_is_a_reset_at_the_other_end(_):
    def leave_rudely(line):
        line.recv(1)
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        line.close()

    with Far(20, leave_rudely) as line:
        line.sendall(b"x")
        try:
            found = line.recv(1)
        except ConnectionResetError:
            return
        raise cases.Failed(f"found {found!r}, want a reset")


if __name__ == "__main__":
    sys.exit(cases.run(globals(), cases.arguments().build))
