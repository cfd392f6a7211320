"""Weight files of every writer that limn reads, with the bits of every tensor as the writer's own
reader gives them back.

Run:  python -P test/goldens/generate/weight-files.py
Needs torch, numpy, jax, transformers, safetensors, open_clip_torch.

Writes test/goldens/weights/: the files, and expected.json with one entry per file:
{names in order: {dtype, shape, bits (base64 of the row-major little-endian elements)}}.
"""

import base64
import collections
import importlib.metadata
import io
import json
import pathlib
import shutil
import warnings
import zipfile

import jax.numpy as jnp
import numpy
import torch
import transformers
from safetensors import safe_open

warnings.simplefilter("ignore")
OUT = pathlib.Path(__file__).parent.parent / "weights"
SEED = 7
DTYPES = "float64 float32 float16 bfloat16 int64 int32 int16 int8 uint8 bool".split()


def bits(tensor):
    tensor = tensor.detach().contiguous()
    raw = tensor.reshape(-1).view(torch.uint8) if tensor.numel() else torch.zeros(0, dtype=torch.uint8)
    return {
        "dtype": str(tensor.dtype).replace("torch.", ""),
        "shape": list(tensor.shape),
        "bits": base64.b64encode(raw.numpy().tobytes()).decode(),
    }


def expect(named):
    return {name: bits(tensor) for name, tensor in named.items()}


def state_dict():
    values = torch.randn(3, 4) * 10
    state = {f"types.{name}": (values > 0 if name == "bool" else values.to(getattr(torch, name))) for name in DTYPES}
    shared = torch.randn(24)
    state["shared.whole"] = shared
    state["shared.part"] = shared[5:11]
    state["shared.matrix"] = shared.view(4, 6)[1:3, 2:5]
    state["strided.transposed"] = torch.randn(3, 5).t()
    state["strided.permuted"] = torch.randn(2, 3, 4, dtype=torch.float64).permute(2, 0, 1)
    state["strided.every_other"] = torch.arange(10)[::2]
    state["strided.expanded"] = torch.randn(3, 1).expand(3, 4)
    state["strided.channels_last"] = torch.randn(1, 3, 2, 2).to(memory_format=torch.channels_last)
    state["scalar"] = torch.tensor(4.6052)
    state["empty"] = torch.zeros(0, 4)
    state["parameter"] = torch.nn.Parameter(torch.randn(2))
    ordered = collections.OrderedDict(state)
    ordered._metadata = {"": {"version": 1}}
    return ordered


class Block(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(2, 3)
        self.norm = torch.nn.BatchNorm1d(3)
        self.inner = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.ReLU())
        self.scale = torch.nn.Parameter(torch.ones(()))
        self.register_buffer("table", torch.arange(4))
        self.register_buffer("fleeting", torch.ones(1), persistent=False)
        self.plain = torch.ones(2)  # neither a parameter nor a buffer
        self.number = 5
        self.sizes = [1, 2]
        self.text = "relu"

    def forward(self, x):
        y = self.inner(self.norm(self.linear(x))) * self.scale + self.plain.sum() + self.number
        return y + self.table.sum() + self.fleeting + self.sizes[0]


def torch_files(expected):
    def save(name, value, pick=lambda value: value, **options):
        torch.save(value, OUT / name, **options)
        expected[name] = expect(pick(torch.load(OUT / name, weights_only=False)))

    save("state-dict.bin", state_dict())
    save("protocol-5.pt", {"a": torch.randn(2, 3), "b": torch.arange(3)}, pickle_protocol=5)
    torch.save({"a": torch.ones(2)}, OUT / "legacy.pt", _use_new_zipfile_serialization=False)
    torch.save({"a": torch.ones(2, dtype=torch.float8_e4m3fn), "b": torch.ones(1)}, OUT / "float8.pt")

    with zipfile.ZipFile(OUT / "protocol-5.pt") as stored:
        with zipfile.ZipFile(OUT / "deflated.pt", "w", zipfile.ZIP_DEFLATED) as packed:
            for entry in stored.infolist():
                packed.writestr(zipfile.ZipInfo(entry.filename), stored.read(entry), zipfile.ZIP_DEFLATED)
    expected["deflated.pt"] = expect(torch.load(OUT / "deflated.pt", weights_only=False))

    plain = {
        "dtype": torch.float16,
        "device": torch.device("cuda", 1),
        "cpu": torch.device("cpu"),
        "size": torch.Size([2, 3]),
        "tuple": (1, -2.5, None, True),
        "large": 2**70,
        "list": ["a", {"b": [1, 2]}],
        "ordered": collections.OrderedDict(a=1, b="ü"),
        3: "by number",
    }
    torch.save(plain, OUT / "plain.pt")

    # As open_clip_train/main.py saves: epoch, name, state_dict, optimizer, scaler.
    model = torch.nn.Linear(2, 2)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.98))
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    checkpoint = {
        "epoch": 3,
        "name": "run-ä",
        "state_dict": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "scaler": torch.amp.GradScaler("cpu").state_dict(),
    }
    save("training.pt", checkpoint, lambda value: value["state_dict"])


def without_sources(saved, target):
    """The archive without the tables of source files, which hold paths of the machine it was made on."""
    made_by_the_writer = ("version", "byteorder", ".data/serialization_id", ".storage_alignment")
    reader = torch._C.PyTorchFileReader(str(saved))
    writer = torch._C.PyTorchFileWriter(str(target))
    for name in reader.get_all_records():
        if name.endswith(".debug_pkl") or name in made_by_the_writer:
            continue
        record = reader.get_record(name)
        writer.write_record(name, record, len(record))
    writer.write_end_of_file()
    saved.unlink()


def script_files(expected):
    block = Block().eval()
    for name, module in [
        ("scripted.pt", torch.jit.script(block)),
        ("traced.pt", torch.jit.trace(block, torch.ones(1, 2))),
        ("half-scripted.pt", torch.jit.script(Block().eval().half())),
    ]:
        torch.jit.save(module, OUT / "whole.pt")
        without_sources(OUT / "whole.pt", OUT / name)
        expected[name] = expect(torch.jit.load(OUT / name).state_dict())


def numpy_files(expected):
    arrays = {
        "params/float32": numpy.random.randn(3, 4).astype("<f4"),
        "params/float16": numpy.random.randn(3).astype("<f2"),
        "params/float64": numpy.random.randn(2, 2),
        "params/int32": numpy.arange(4, dtype="<i4"),
        "params/int64": numpy.arange(-2, 2, dtype="<i8"),
        "params/uint8": numpy.arange(5, dtype="u1"),
        "params/bool": numpy.array([True, False]),
        "params/fortran": numpy.asfortranarray(numpy.random.randn(3, 4, 2).astype("<f4")),
        "params/scalar": numpy.float32(10),
        "params/empty": numpy.zeros((0, 3), "<f4"),
        "params/bfloat16": numpy.asarray(jnp.asarray(numpy.random.randn(2, 3), jnp.bfloat16)),
        "Transformer/encoderblock_0/LayerNorm_0/bias": numpy.random.randn(2).astype("<f4"),
    }

    def as_torch(array):
        if array.dtype == jnp.bfloat16:
            return torch.from_numpy(array.view("<i2")).view(torch.bfloat16)
        return torch.from_numpy(numpy.array(array, order="C"))

    for name, write in [("arrays.npz", numpy.savez), ("compressed.npz", numpy.savez_compressed)]:
        write(OUT / name, **arrays)
        # numpy itself gives bfloat16 back as raw bytes
        expected[name] = expect({key: as_torch(array) for key, array in arrays.items()})

    with zipfile.ZipFile(OUT / "versions.npz", "w") as archive:
        for version in [(1, 0), (2, 0), (3, 0)]:
            buffer = io.BytesIO()
            numpy.lib.format.write_array(buffer, arrays["params/float32"], version=version)
            archive.writestr(f"v{version[0]}.npy", buffer.getvalue())
    expected["versions.npz"] = expect({f"v{i}": as_torch(arrays["params/float32"]) for i in (1, 2, 3)})
    numpy.savez(OUT / "objects.npz", fine=numpy.ones(2, "<f4"), objects=numpy.array({"a": 1}, dtype=object))
    numpy.savez(OUT / "odd-types.npz", big=numpy.ones(2, ">f4"), text=numpy.array("hi"), c=numpy.ones(1, "<c8"))


def sharded(expected):
    config = transformers.BertConfig(
        vocab_size=20, hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=8,
        max_position_embeddings=6,
    )  # fmt: skip
    folder = OUT / "sharded"
    transformers.BertModel(config).save_pretrained(folder, max_shard_size="2KB")
    (folder / "config.json").unlink()
    weights = {}
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, "pt") as shard:
            weights |= {name: shard.get_tensor(name) for name in shard.keys()}
    expected["sharded/model.safetensors.index.json"] = expect(weights)
    assert len(list(folder.glob("*.safetensors"))) > 2


def splits():
    """How Hugging Face's own function divides float32 tensors of so many elements."""
    from huggingface_hub import split_torch_state_dict_into_shards

    rows = []
    for sizes, limit in [
        ({"z": 10, "a": 6, "m": 2, "large": 25, "last": 4}, 64),
        ({"z": 10, "a": 6, "m": 2, "large": 25, "last": 4}, 63),
        ({"large": 100, "a": 1}, 40),
        ({f"w{i}": 1 + i * 7 % 5 for i in range(12)}, 48),
    ]:
        state = {name: torch.zeros(size) for name, size in sizes.items()}
        made = split_torch_state_dict_into_shards(
            state, filename_pattern="model{suffix}.safetensors", max_shard_size=limit
        )
        rows.append({"sizes": sizes, "limit": limit, "files": made.tensor_to_filename, "metadata": made.metadata})
    return rows


def main():
    torch.manual_seed(SEED)
    numpy.random.seed(SEED)
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir()
    expected = {}
    for make in (torch_files, script_files, numpy_files, sharded):
        make(expected)
    version = {name: importlib.metadata.version(name) for name in "torch numpy jax transformers safetensors".split()}
    header = {
        "source": "torch.save, torch.jit.save, numpy.savez, transformers save_pretrained, huggingface_hub",
        "version": version,
        "command": "python -P test/goldens/generate/weight-files.py",
        "seed": SEED,
        "rtol": 0,
        "atol": 0,
    }
    (OUT / "expected.json").write_text(json.dumps({**header, "files": expected, "splits": splits()}, indent=1) + "\n")


main()
