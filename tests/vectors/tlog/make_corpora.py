#!/usr/bin/python3
"""Makes the seed corpora of the tlog_* fuzz targets from the vectors beside this file."""
import pathlib

HERE = pathlib.Path(__file__).resolve().parent
CORPUS = HERE.parents[2] / "fuzz" / "corpus"


def sections(name):
    title, fields = None, {}
    for line in (HERE / name).read_text().splitlines():
        if line.startswith("["):
            if title:
                yield title, fields
            title, fields = line[1:-1], {}
        elif " = " in line:
            key, value = line.split(" = ", 1)
            fields[key] = value
    yield title, fields


def write(folder, name, data):
    (CORPUS / folder).mkdir(parents=True, exist_ok=True)
    (CORPUS / folder / name).write_bytes(data)


for title, fields in sections("note.txt"):
    if "note" in fields:
        write("tlog_note", title, bytes.fromhex(fields["note"]))
    if title in ("go", "key-of-sum.golang.org"):
        write("tlog_note", "key-" + title.removeprefix("key-of-"), fields["key"].encode())
for title, fields in sections("log.txt"):
    if "entry" in fields:
        write("tlog_entry", title, bytes.fromhex(fields["entry"]))
    if title == "checkpoint":
        write("tlog_note", "checkpoint", bytes.fromhex(fields["note"]))
        write("tlog_note", "checkpoint-text", bytes.fromhex(fields["text"]))
    if title == "proof":
        write("tlog_proof", "certificate", bytes.fromhex(fields["proof"]))
        write("tlog_proof", "without-extra", b"\n".join(line for line in bytes.fromhex(fields["proof"]).split(b"\n") if not line.startswith(b"extra")))
    if title == "tiles":
        write("tlog_tile", "bundle", b"\x03" + bytes.fromhex(fields["bundle"]))
for number, path in enumerate(("tile/0/x001/x234/067", "tile/entries/000.p/1", "tile/7/x999/999.p/255", "tile/1/000.p/256")):
    write("tlog_tile", f"path-{number}", path.encode())
