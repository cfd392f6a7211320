"""The cache folders that huggingface_hub leaves after fetching a small model and a data set, file by file.

Run from the repository: HF_HUB_DISABLE_XET=1 python -P test/goldens/generate/hub-cache.py
Needs: huggingface_hub 2.4.0 (written into the file); a server on 127.0.0.1 stands for the hub.
"""

import base64
import hashlib
import http.server
import importlib.metadata as metadata
import json
import os
import pathlib
import tempfile
import threading
import urllib.parse

COMMIT = "0123456789abcdef0123456789abcdef01234567"
OUT = pathlib.Path(__file__).parents[1] / "hub-cache.json"
FILES = {
    "config.json": (b'{"model_type": "clip"}\n', False),
    "model.safetensors": (bytes(range(256)) * 2, True),
    "text encoder/vocab.txt": (b"a\nb\n", False),
}


def git_hash(content):
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def etag(content, lfs):
    return hashlib.sha256(content).hexdigest() if lfs else git_hash(content)


class Hub(http.server.BaseHTTPRequestHandler):
    """Revision, tree and files, as the hub gives them to snapshot_download."""

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", headers=()):
        self.send_response(status)
        for name, value in [*headers, ("Content-Length", str(len(body)))]:
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self):
        path = urllib.parse.unquote(self.path.split("?")[0])
        # Both repositories have the same files; what differs is where they are asked for and kept.
        path = path.replace("/datasets/org/data/", "/models/org/model/", 1) if "/api/" in path else path
        path = path.removeprefix("/datasets").replace("/org/data/", "/org/model/", 1)
        if path.startswith("/api/models/org/model/revision/"):
            self.answer(200, json.dumps({"id": "org/model", "sha": COMMIT}).encode())
        elif path.startswith("/api/models/org/model/tree/"):
            self.answer(200, json.dumps([self.entry(*item) for item in FILES.items()]).encode())
        elif path.startswith(f"/org/model/resolve/{COMMIT}/"):
            content, lfs = FILES[path.split("/", 5)[5]]
            headers = [("X-Repo-Commit", COMMIT), ("ETag", f'"{etag(content, lfs)}"')]
            self.answer(200, content, headers)
        else:
            self.answer(404)

    do_HEAD = do_GET

    def entry(self, path, file):
        content, lfs = file
        entry = {"type": "file", "path": path, "size": len(content), "oid": git_hash(content)}
        if lfs:
            entry["lfs"] = {"oid": etag(content, lfs), "size": len(content), "pointerSize": 134}
        return entry


def describe(folder):
    """Path to the target of a link or the bytes of a file; locks and the tag of caches left out."""
    described = {}
    for path in sorted(pathlib.Path(folder).rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            described[name] = {"link": os.readlink(path)}
        elif path.is_file() and not name.startswith(".locks/") and name != "CACHEDIR.TAG":
            described[name] = {"base64": base64.b64encode(path.read_bytes()).decode()}
    return described


def main():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    os.environ["HF_ENDPOINT"] = f"http://127.0.0.1:{server.server_port}"
    from huggingface_hub import snapshot_download

    def fetched(name, kind):
        with tempfile.TemporaryDirectory() as folder:
            for revision in ("main", "refs/pr/1"):
                snapshot_download(name, revision=revision, cache_dir=folder, repo_type=kind)
            return describe(folder)

    cache, dataset_cache = fetched("org/model", "model"), fetched("org/data", "dataset")
    header = {
        "source": "huggingface_hub snapshot_download, revisions main and refs/pr/1",
        "version": metadata.version("huggingface_hub"),
        "command": "HF_HUB_DISABLE_XET=1 python -P test/goldens/generate/hub-cache.py",
        "commit": COMMIT,
    }
    files = {path: {"base64": base64.b64encode(c).decode(), "lfs": lfs} for path, (c, lfs) in FILES.items()}
    OUT.write_text(json.dumps({**header, "files": files, "cache": cache, "datasetCache": dataset_cache}, indent=2) + "\n")
    server.shutdown()


main()
