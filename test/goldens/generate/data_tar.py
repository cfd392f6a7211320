"""Archives by Python's tarfile and webdataset, with what both read from them.

Run with a Python that has webdataset:  python -P test/goldens/generate/data_tar.py
"""

import base64
import gzip
import hashlib
import io
import json
import os
import sys
import tarfile
import tempfile

import webdataset
from webdataset import tariterators

OUT = os.path.join(os.path.dirname(__file__), "..", "data-tar.json")
FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}

PLAIN = ["000000.jpg", "000000.txt", "000000.json", "000001.PNG", "000001.txt", "empty.txt"]
# 100 is the most a header holds; the second needs ustar's prefix, or another way in GNU and pax.
MIDDLE = ["m" * 96 + ".txt", "/".join(["folder" * 5] * 4) + "/name.jpg", "/".join(["d" * 50] * 4) + "/x.txt"]
LONG = ["l" * 97 + ".jpg", "l" * 240 + ".txt", "/".join(["long" * 20] * 5) + "/" + "n" * 120 + ".jpg"]
SCRIPTS = ["Zürich/Straße.jpg", "写真/猫.jpg", "写真/猫.txt", "emoji 🐈.json"]
AWKWARD = [
    "a.b/c.jpg", "a.b/c.txt", "x.seg.png", "x.jpg", "x.y.z.txt", "dir/.hidden.jpg", ".top.jpg", "noextension",
    "dir.with.dots/noextension", "./dot.jpg", "./dot.txt", "k.jpg", "sub/k.jpg", "k.txt", "K.jpg",
    "__meta__.json", "__index__", "__dir__/a.jpg", "sub/__y__.txt", "trailing..jpg", "trailing.", "two words.jpg",
    "two words.txt", "a/b/c/d.e.f.jpg",
]  # fmt: skip


def contents(name, number):
    if name.startswith("empty"):
        return b""
    return (f"{number}:{name}:".encode() * 40)[: 37 * (number % 5) + 470 * (number % 2) + 5]


def write(names, tar_format, extras=False):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tar_format) as tar:
        for number, name in enumerate(names):
            if extras and number == 2:
                folder = tarfile.TarInfo("folder/")
                folder.type = tarfile.DIRTYPE
                tar.addfile(folder)
                link = tarfile.TarInfo("link.jpg")
                link.type, link.linkname = tarfile.SYMTYPE, "t" * (80 if tar_format == tarfile.USTAR_FORMAT else 150)
                tar.addfile(link)
                hard = tarfile.TarInfo("hard.jpg")
                hard.type, hard.linkname = tarfile.LNKTYPE, names[0]
                tar.addfile(hard)
            data = contents(name, number)
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), 1.5 if tar_format == tarfile.PAX_FORMAT else 1
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def digest(data):
    return hashlib.sha256(data).hexdigest()[:16]


def entries(archive):
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return [
            {"name": m.name, "offset": m.offset_data, "size": m.size, "sha": digest(tar.extractfile(m).read())}
            for m in tar
            if m.isreg()
        ]


def groups(archive):
    """What webdataset makes of the archive; a repeated extension ends it, as it raises."""
    files = tariterators.tar_file_iterator(io.BytesIO(archive))
    named = ({**file, "__url__": "shard"} for file in files)
    return [
        {"key": s["__key__"], "fields": {k: digest(v) for k, v in s.items() if not k.startswith("__")}}
        for s in tariterators.group_by_keys(named)
    ]


def shard_writer():
    with tempfile.TemporaryDirectory() as directory:
        with webdataset.ShardWriter(os.path.join(directory, "s-%06d.tar"), maxcount=3, verbose=0, mtime=1) as sink:
            for i in range(5):
                sink.write(
                    {"__key__": f"part/{i:04d}", "jpg": bytes([i]) * (600 * i + 1), "txt": f"caption {i} é",
                     "json": {"caption": f"json {i}", "n": i}, "cls": i}
                )  # fmt: skip
        return [open(os.path.join(directory, name), "rb").read() for name in sorted(os.listdir(directory))]


def case(name, archive):
    packed = base64.b64encode(gzip.compress(archive, mtime=0)).decode()
    return {"name": name, "gzip": packed, "entries": entries(archive), "groups": groups(archive)}


def large_headers():
    sizes = [8**11 - 1, 8**11, 9_000_000_000_123]
    rows = []
    for tar_format in ("gnu", "pax"):
        for size in sizes:
            info = tarfile.TarInfo("large.bin")
            info.size = size
            header = info.tobuf(FORMATS[tar_format])
            rows.append({"format": tar_format, "size": size, "header": base64.b64encode(header).decode()})
    return rows


def main():
    cases = []
    for label, tar_format in FORMATS.items():
        cases.append(case(f"{label} plain", write(PLAIN, tar_format)))
        cases.append(case(f"{label} middle", write(MIDDLE, tar_format)))
        cases.append(case(f"{label} awkward", write(AWKWARD, tar_format)))
        cases.append(case(f"{label} extras", write(PLAIN, tar_format, extras=True)))
        if label != "ustar":
            cases.append(case(f"{label} long", write(LONG, tar_format)))
            cases.append(case(f"{label} scripts", write(SCRIPTS, tar_format)))
    for number, archive in enumerate(shard_writer()):
        cases.append(case(f"webdataset ShardWriter {number}", archive))
    header = {
        "source": "Python tarfile; webdataset ShardWriter, tar_file_iterator and group_by_keys",
        "version": f"Python {sys.version.split()[0]}, webdataset {webdataset.__version__}",
        "command": "python -P test/goldens/generate/data_tar.py",
        "seed": None,
        "rtol": 0,
        "atol": 0,
    }
    with open(OUT, "w") as file:
        json.dump({**header, "cases": cases, "largeHeaders": large_headers()}, file, indent=1, ensure_ascii=False)
        file.write("\n")


main()
