"""Private keys of P-256 in the memory of a process, found by their public halves: every aligned place that could be the number is
multiplied out. Where OpenSSL keeps one, it is found; so a search that finds none says something.
"""
import array
import re

from cryptography.hazmat.primitives.asymmetric import ec

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
WRITABLE = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) rw.p \S+ \S+ \S+\s*(.*)$")
LEAST_OCTETS = 20  # different ones of 32: random numbers have more, text and addresses fewer
LIMBS = range(1 << 48, (1 << 64) - (1 << 48))  # no pointer, no small number, no small negative one


def regions(pid):
    """The writable memory of a process that is no file's and no stack of the kernel's."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in maps:
            found = WRITABLE.match(line)
            if not found or found.group(3).startswith(("[vvar", "[vdso", "[vsyscall")):
                continue
            first, last = int(found.group(1), 16), int(found.group(2), 16)
            memory.seek(first)
            try:
                yield memory.read(last - first)
            except OSError:
                continue


def candidates(block):
    numbers = array.array("Q")
    numbers.frombytes(block[:len(block) // 8 * 8])
    run = 0
    for at, number in enumerate(numbers):
        run = run + 1 if number in LIMBS else 0
        if run >= 4:
            octets = block[8 * at - 24:8 * at + 8]
            if len(set(octets)) >= LEAST_OCTETS:
                yield octets


def find(pid, public_keys):
    """Those of `public_keys` whose private halves are in the memory of the process; as OpenSSL holds it, and as a file would."""
    return [key for key, _ in find_private(pid, public_keys)]


def find_private(pid, public_keys):
    """The same with the private halves, as pairs."""
    wanted = {key.public_numbers().x: key for key in public_keys}
    found, tried = {}, set()
    for block in regions(pid):
        for octets in candidates(block):
            if octets in tried:
                continue
            tried.add(octets)
            for order in ("little", "big"):
                number = int.from_bytes(octets, order)
                if not 0 < number < ORDER:
                    continue
                private = ec.derive_private_key(number, ec.SECP256R1())
                x = private.public_key().public_numbers().x
                if x in wanted:
                    found.setdefault(x, (wanted[x], private))
            if len(found) == len(wanted):
                return list(found.values())
    return list(found.values())
