# test: needs=release deadline=900 long
# test: alone
"""./bench measures and prints lines of the right form. Whatever the figures are, they decide nothing here."""
import json
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
import cases  # noqa: E402

ROOT = cases.ROOT
KEYS = ["bench", "metric", "unit", "ours", "rival", "theirs", "ratio", "spread", "runs", "goal", "holds"]
RELAY = {("cpu_seconds_per_gb", "haproxy-forced-splice", "s/GB", "<=0.75"), ("cpu_seconds_per_gb", "nginx-stream", "s/GB", "<=0.35"),
         ("cpu_seconds_per_gb_64", "haproxy-forced-splice", "s/GB", "<=0.75"), ("cpu_seconds_per_gb_64", "nginx-stream", "s/GB", "<=0.35"),
         ("connections_per_s", "haproxy-sni-passthrough", "1/s", ">=0.8")}
DEVICES = {("full_per_s", "nginx-mtls", "1/s", ">=1.5"), ("idle_device_kb", "nginx-mtls", "kB", "<=0.6"), ("idle_device_kb", "haproxy-mtls", "kB", "<=0.6"),
           ("back_99_s", None, "s", "<=30"), ("idle_again_s", None, "s", "<=30")}
STATUS = {("presigned_per_s", "nginx-static", "1/s", ">=1"), ("presigned_per_s", "openssl-ocsp", "1/s", ">=20"), ("nonce_per_s", "bound", "1/s", ">=0.7"),
          ("crl_build_s", "X509_CRL", "s", "<=0.1"), ("crl_build_mb", None, "MB", "<=100"), ("snapshot_mb", None, "MB", "<=400"), ("revocation_nonce_ms", None, "ms", "<=2000"),
          ("revocation_kept_ms", None, "ms", "<=5000"), ("revocation_cut_ms", None, "ms", "<=1000"), ("revocation_crl_s", None, "s", "<=600"),
          ("revocation_load_per_s", None, "1/s", ">=5000")}
REVOKED_QUICKLY = 20
ISSUE = {("csr_to_certificate_per_s", "bound", "1/s", ">=0.6"), ("durable_per_s", None, "1/s", ">=5000"), ("factory_per_s", None, "1/s", ">=50")}
VERIFY = {("chains_per_s", "X509_verify_cert", "1/s", ">=1"), ("parsed_chains_per_s", "X509_verify_cert", "1/s", ">=1")}
RPC = {("seal_open_per_s", "bound", "1/s", ">=0.6")}


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
        limit = float(line["goal"][2:])
        holds = judged <= limit if line["goal"].startswith("<=") else judged >= limit
        cases.want(line["holds"] is holds, f"{line['metric']}: holds {line['holds']} at {line['ratio']} {line['goal']}")
    found = {(line["metric"], line["rival"], line["unit"], line["goal"]) for line in lines}
    cases.want(found == wanted, f"found {sorted(found, key=str)}, want {sorted(wanted, key=str)}")


def check_entries_are_listed(_):
    names = bench("--list").stdout.split()
    cases.want(names == ["relay", "devices", "status", "issue", "verify", "rpc"], f"found {names}, want relay, devices, status, issue, verify and rpc")


def check_unknown_entry_is_refused(_):
    done = bench("relai", status=2)
    cases.want("relai" in done.stderr and "relay" in done.stderr, f"found {done.stderr!r}, want what there is")


def check_relay_lines(_):
    measure_quickly("relay", RELAY)


def check_devices_lines(_):
    measure_quickly("devices", DEVICES, ["handshake", "relay", "storm"])


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


if __name__ == "__main__":
    sys.exit(cases.run(globals(), cases.arguments().build))
