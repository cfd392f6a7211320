"""Tiny models in the .npz files of big_vision and vision_transformer, with the embeddings they compute.

Run:  python -P test/goldens/generate/flax-models.py
Needs jax, flax, numpy, torch, transformers 5.x, open_clip_torch 3.x, timm.

Writes test/goldens/models/<name>-npz/: <name>.npz and expected.json with pictures, token rows and what
they become: unit rows, and logits where there is a pair. big_vision, vision_transformer and flaxformer
are not on PyPI. So the modules below put flax's own layers together as big_vision's models/vit.py,
proj/image_text/{text_transformer,two_towers,naflex_vit}.py and vit_jax/{models_vit,models_lit}.py
describe them: names, shapes and what a layer computes are flax's, and every file is read a second time
by a loader of others, whose embeddings have to be the same to 1e-6 in float64:

- siglip, siglip-scan:  open_clip's load_big_vision_weights into timm's ViT and open_clip's text tower
- siglip2-naflex:      transformers' Siglip2Model, by the names of its convert_siglip2_to_hf.py
- lit-bert:            timm's loader for the pictures; the text tower, flaxformer's BertEncoder, comes from
                       transformers' BertModel alone, by flaxformer's model_param_shapes.json and
                       bert_checkpoint_converter.py
- lit-small:           timm's loader for the pictures, open_clip's for the texts
- augreg, augreg-pre-linen: timm's loader; flax's convert_pre_linen for the older names

Every weight is random, norms and biases included, so that no swapped pair of weights can go unseen.
"""

import base64
import functools
import json
import pathlib
import shutil
import tempfile
import types

import flax
import flax.linen as nn
import flax.training.checkpoints
import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import open_clip
import timm
import torch
import transformers
from flax.traverse_util import flatten_dict, unflatten_dict
from open_clip.convert import load_big_vision_weights
from open_clip.transformer import TextTransformer
from timm.models.vision_transformer import VisionTransformer

jax.config.update("jax_enable_x64", True)

SEED = 20240815
MODELS = pathlib.Path(__file__).parent.parent / "models"
WIDTH, DEPTH, HEADS, MLP, PATCH, GRID = 12, 2, 4, 28, 4, 3
VOCABULARY, CONTEXT, TEXT_WIDTH, TEXT_MLP = 64, 8, 16, 28
BERT_WIDTH, BERT_HEADS, BERT_MLP, BERT_PLACES = 128, 2, 16, 12


# The models, of flax's layers.


class MlpBlock(nn.Module):
    mlp: int

    @nn.compact
    def __call__(self, x):
        hidden = nn.gelu(nn.Dense(self.mlp)(x))
        return nn.Dense(x.shape[-1])(hidden)


class Block(nn.Module):
    mlp: int

    @nn.compact
    def __call__(self, x, mask):
        y = nn.LayerNorm()(x)
        x = x + nn.MultiHeadDotProductAttention(num_heads=HEADS)(y, y, mask=mask)
        return x + MlpBlock(self.mlp)(nn.LayerNorm()(x)), None


class AddPositions(nn.Module):
    @nn.compact
    def __call__(self, x):
        return x + self.param("pos_embedding", nn.initializers.normal(), (1, *x.shape[1:]))


class Encoder(nn.Module):
    mlp: int
    scan: bool = False
    positions: bool = False

    @nn.compact
    def __call__(self, x, mask=None):
        if self.positions:
            x = AddPositions(name="posembed_input")(x)
        if self.scan:
            axes = {"variable_axes": {"params": 0}, "split_rngs": {"params": True}}
            stack = nn.scan(Block, **axes, in_axes=nn.broadcast, length=DEPTH)
            x, _ = stack(self.mlp, name="encoderblock")(x, mask)
        else:
            for i in range(DEPTH):
                x, _ = Block(self.mlp, name=f"encoderblock_{i}")(x, mask)
        return nn.LayerNorm(name="encoder_norm")(x)


class MAPHead(nn.Module):
    @nn.compact
    def __call__(self, x, mask=None):
        probe = self.param("probe", nn.initializers.normal(), (1, 1, x.shape[-1]))
        probe = jnp.tile(probe, (x.shape[0], 1, 1))
        x = nn.MultiHeadDotProductAttention(num_heads=HEADS)(probe, x, mask=mask)
        return (x + MlpBlock(MLP)(nn.LayerNorm()(x)))[:, 0]


class Image(nn.Module):
    pool: str
    scan: bool = False
    # Positions as before 2022: added in the encoder, to the class token too.
    old: bool = False
    head: int | None = None

    @nn.compact
    def __call__(self, pixels):
        size = (PATCH, PATCH)
        x = nn.Conv(WIDTH, size, strides=size, padding="VALID", name="embedding")(pixels)
        x = x.reshape(x.shape[0], -1, WIDTH)
        if not self.old:
            x = x + self.param("pos_embedding", nn.initializers.normal(), (1, *x.shape[1:]))
        if self.pool == "tok":
            first = self.param("cls", nn.initializers.normal(), (1, 1, WIDTH))
            x = jnp.concatenate([jnp.tile(first, (x.shape[0], 1, 1)), x], axis=1)
        x = Encoder(MLP, self.scan, self.old, name="Transformer")(x)
        x = MAPHead()(x) if self.pool == "map" else x[:, 0]
        return x if self.head is None else nn.Dense(self.head, name="head")(x)


class NaflexImage(nn.Module):
    grids: tuple

    @nn.compact
    def __call__(self, patches):
        x = nn.Dense(WIDTH, name="embedding")(patches)
        table = self.param("pos_embedding", nn.initializers.normal(), (GRID, GRID, WIDTH))
        count = patches.shape[1]
        rows = []
        for height, width in self.grids:
            shape, scale = (height, width, WIDTH), jnp.asarray([height / GRID, width / GRID])
            # As naflex_vit.py has it; jax.image.resize is the same at these shapes.
            resized = jax.image.scale_and_translate(
                table, shape, (0, 1), scale, jnp.zeros(2), method="bilinear", antialias=True
            ).reshape(-1, WIDTH)
            rows.append(jnp.pad(resized, ((0, count - len(resized)), (0, 0))))
        x = x + jnp.stack(rows)
        real = jnp.arange(count)[None] < jnp.asarray([h * w for h, w in self.grids])[:, None]
        x = Encoder(MLP, name="Transformer")(x, real[:, None, :, None] & real[:, None, None, :])
        return MAPHead()(x, real[:, None, None, :])


class Text(nn.Module):
    scan: bool = False

    @nn.compact
    def __call__(self, tokens):
        x = nn.Embed(VOCABULARY, TEXT_WIDTH)(tokens)
        x = x + self.param("pos_embedding", nn.initializers.normal(), (1, *x.shape[1:]))
        return nn.Dense(WIDTH, name="head")(Encoder(TEXT_MLP, self.scan)(x)[:, -1])


# Weights.

generator = np.random.default_rng(SEED)


def random_weights(module, *inputs, kernels=np.float32):
    """The module's tree, flat, with random numbers; kernels of a lower precision where asked."""
    shapes = jax.eval_shape(module.init, jax.random.key(0), *inputs)["params"]
    flat = flatten_dict(shapes, sep="/")
    return {name: random_array(name, leaf.shape, kernels) for name, leaf in flat.items()}


def random_array(name, shape, kernels=np.float32):
    near = 0.5 if name.endswith(("scale", "bias")) else 0
    numbers = generator.normal(size=shape) * 0.2 + near
    return numbers.astype(kernels if name.endswith("kernel") else np.float32)


def apply(module, weights, *inputs):
    double = {name: jnp.asarray(np.asarray(array, np.float64)) for name, array in weights.items()}
    return np.asarray(module.apply({"params": unflatten_dict(double, sep="/")}, *inputs))


def under(prefix, weights):
    return {f"{prefix}{name}": array for name, array in weights.items()}


def unit(x):
    x = np.asarray(x)
    return x / (np.linalg.norm(x, axis=-1, keepdims=True) + 1e-8)


def pixels_of(count=3):
    return generator.uniform(-1, 1, size=(count, GRID * PATCH, GRID * PATCH, 3)).astype(np.float32)


def token_rows(pad, first=None):
    """Rows of different lengths, one of them full."""
    rows = np.full((4, CONTEXT), pad)
    for row, length in zip(rows, [3, 6, CONTEXT, 5], strict=True):
        row[:length] = generator.integers(2, VOCABULARY, length)
        if first is not None:
            row[0] = first
    return rows


def pair(image, text, t, b=None):
    logits = np.exp(np.float64(t)) * unit(image) @ unit(text).T
    return unit(image), unit(text), logits if b is None else logits + np.float64(b)


# Second readings, by loaders of others.


def same(found, wanted, what):
    found = found.detach().numpy() if isinstance(found, torch.Tensor) else found
    difference = np.abs(np.asarray(found) - wanted).max()
    print(f"  {what}: {difference:.1e}")
    assert difference < 1e-6, what


tanh_gelu = functools.partial(torch.nn.GELU, approximate="tanh")
layer_norm = functools.partial(torch.nn.LayerNorm, eps=1e-6)


def timm_vit(**options):
    sizes = {"img_size": GRID * PATCH, "patch_size": PATCH, "embed_dim": WIDTH, "depth": DEPTH}
    more = {"num_heads": HEADS, "mlp_ratio": MLP / WIDTH, "norm_layer": layer_norm}
    return VisionTransformer(**{**sizes, **more, "act_layer": tanh_gelu, "num_classes": 0, **options})


def open_clip_text():
    return TextTransformer(
        context_length=CONTEXT,
        vocab_size=VOCABULARY,
        width=TEXT_WIDTH,
        heads=HEADS,
        layers=DEPTH,
        mlp_ratio=TEXT_MLP / TEXT_WIDTH,
        output_dim=WIDTH,
        no_causal_mask=True,
        pool_type="last",
        proj_type="linear",
        proj_bias=True,
        norm_layer=layer_norm,
        act_layer=tanh_gelu,
    )


def number():
    return torch.nn.Parameter(torch.zeros([]))


def read_by_open_clip(weights):
    """timm's image tower, open_clip's text tower, scale and bias."""
    trunk = timm_vit(class_token=False, global_pool="map")
    model = types.SimpleNamespace(visual=types.SimpleNamespace(trunk=trunk), text=open_clip_text())
    model.logit_scale, model.logit_bias = number(), number()
    with saved(weights) as file:
        load_big_vision_weights(model, file)
    return model


class saved:
    """The weights in float32 in a temporary file, which loaders of others read."""

    def __init__(self, weights):
        self.arrays = {name: np.asarray(array, np.float32) for name, array in weights.items()}

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory()
        file = f"{self.folder.name}/weights.npz"
        np.savez(file, **self.arrays)
        return file

    def __exit__(self, *_):
        self.folder.cleanup()


def check_siglip(weights, pixels, tokens, expected):
    model = read_by_open_clip(weights)
    images = model.visual.trunk.eval().double()(torch.tensor(pixels).permute(0, 3, 1, 2).double())
    texts = model.text.eval().double()(torch.tensor(tokens))
    same(unit(images.detach()), expected[0], "images, open_clip and timm")
    same(unit(texts.detach()), expected[1], "texts, open_clip")
    scaled = np.exp(model.logit_scale.double().item()) * unit(images.detach()) @ unit(texts.detach()).T
    same(scaled + model.logit_bias.item(), expected[2], "logits, open_clip")


def check_timm(weights, pixels, wanted, prefix="", **options):
    model = timm_vit(**options)
    with saved(weights) as file:
        model.load_pretrained(file, prefix=prefix)
    with torch.no_grad():
        found = model.eval().double()(torch.tensor(pixels).permute(0, 3, 1, 2).double())
    same(unit(found), wanted, "images, timm")


LAYERS = {"num_hidden_layers": DEPTH, "num_attention_heads": HEADS}


def torch_array(array):
    return torch.tensor(np.asarray(array, np.float64))


def siglip2_state(weights):
    """The names of transformers' Siglip2Model, after its convert_siglip2_to_hf.py."""
    state = {}

    def linear(ours, theirs, width=None):
        kernel = np.asarray(weights[f"{theirs}/kernel"], np.float64)
        if kernel.ndim == 3:
            kernel = kernel.reshape(width, -1) if not theirs.endswith("out") else kernel.reshape(-1, width)
        state[f"{ours}.weight"] = torch.tensor(kernel.T)
        state[f"{ours}.bias"] = torch_array(weights[f"{theirs}/bias"]).reshape(-1)

    def norm(ours, theirs):
        state[f"{ours}.weight"] = torch_array(weights[f"{theirs}/scale"])
        state[f"{ours}.bias"] = torch_array(weights[f"{theirs}/bias"])

    towers = [("vision_model", "img/Transformer", WIDTH), ("text_model", "txt/Encoder_0", TEXT_WIDTH)]
    for ours, theirs, width in towers:
        for i in range(DEPTH):
            layer, block = f"{ours}.encoder.layers.{i}", f"{theirs}/encoderblock_{i}"
            norm(f"{layer}.layer_norm1", f"{block}/LayerNorm_0")
            norm(f"{layer}.layer_norm2", f"{block}/LayerNorm_1")
            for short, long in [("q", "query"), ("k", "key"), ("v", "value"), ("out", "out")]:
                attention = f"{block}/MultiHeadDotProductAttention_0/{long}"
                linear(f"{layer}.self_attn.{short}_proj", attention, width)
            linear(f"{layer}.mlp.fc1", f"{block}/MlpBlock_0/Dense_0")
            linear(f"{layer}.mlp.fc2", f"{block}/MlpBlock_0/Dense_1")
    norm("vision_model.post_layernorm", "img/Transformer/encoder_norm")
    norm("text_model.final_layer_norm", "txt/Encoder_0/encoder_norm")
    linear("vision_model.embeddings.patch_embedding", "img/embedding")
    places = torch_array(weights["img/pos_embedding"]).reshape(-1, WIDTH)
    state["vision_model.embeddings.position_embedding.weight"] = places
    head = "img/MAPHead_0"
    state["vision_model.head.probe"] = torch_array(weights[f"{head}/probe"])
    norm("vision_model.head.layernorm", f"{head}/LayerNorm_0")
    linear("vision_model.head.mlp.fc1", f"{head}/MlpBlock_0/Dense_0")
    linear("vision_model.head.mlp.fc2", f"{head}/MlpBlock_0/Dense_1")
    attention = f"{head}/MultiHeadDotProductAttention_0"
    for part in ["query", "key", "value"]:
        linear(part, f"{attention}/{part}", WIDTH)
    parts = [("weight", "in_proj_weight"), ("bias", "in_proj_bias")]
    for ours, theirs in parts:
        joined = torch.cat([state.pop(f"{part}.{ours}") for part in ["query", "key", "value"]])
        state[f"vision_model.head.attention.{theirs}"] = joined
    linear("vision_model.head.attention.out_proj", f"{attention}/out", WIDTH)
    embedding = torch_array(weights["txt/Embed_0/embedding"])
    state["text_model.embeddings.token_embedding.weight"] = embedding
    state["text_model.embeddings.position_embedding.weight"] = torch_array(weights["txt/pos_embedding"])[0]
    linear("text_model.head", "txt/head")
    state["logit_scale"], state["logit_bias"] = (torch_array(weights[name]) for name in "tb")
    return state


def check_siglip2(weights, patches, grids, tokens, expected):
    text = {"hidden_size": TEXT_WIDTH, "intermediate_size": TEXT_MLP, "vocab_size": VOCABULARY}
    config = transformers.Siglip2Config(
        text_config={**LAYERS, **text, "max_position_embeddings": CONTEXT, "projection_size": WIDTH},
        vision_config={
            **{**LAYERS, "hidden_size": WIDTH, "intermediate_size": MLP},
            **{"patch_size": PATCH, "num_patches": GRID**2},
        },
    )
    model = transformers.Siglip2Model(config).eval().double()
    model.load_state_dict(siglip2_state(weights))
    counts = torch.tensor([h * w for h, w in grids])
    with torch.no_grad():
        found = model(
            input_ids=torch.tensor(tokens),
            pixel_values=torch.tensor(patches).double(),
            pixel_attention_mask=(torch.arange(patches.shape[1])[None] < counts[:, None]).int(),
            spatial_shapes=torch.tensor(grids),
        )
    same(found.image_embeds, expected[0], "images, transformers")
    same(found.text_embeds, expected[1], "texts, transformers")
    same(found.logits_per_image, expected[2], "logits, transformers")


# BERT, which flax has no layers for.

BERT = "BertEncoder_0"


def bert_weights():
    """The tree of flaxformer's BertEncoder under a head; few different numbers, which zip well."""
    shapes = {}
    for table, rows in [("token", VOCABULARY), ("position", BERT_PLACES), ("segment", 2)]:
        shapes[f"{BERT}/embedder/embedders_{table}_ids/embedding"] = (rows, BERT_WIDTH)
    norms = [f"{BERT}/layer_norm"]
    matrices = {"head": (BERT_WIDTH, WIDTH)}
    for i in range(DEPTH):
        layer = f"{BERT}/encoder_block/layer_sequence/layers_{i}"
        inner = f"{layer}/attention_block/attention_layer"
        square = (BERT_WIDTH, BERT_WIDTH)
        matrices |= {f"{inner}/{part}": square for part in ["query", "key", "value"]}
        matrices[f"{layer}/attention_block/dense_layer"] = square
        matrices[f"{layer}/mlp_block/mlp/dense_layer"] = (BERT_WIDTH, BERT_MLP)
        matrices[f"{layer}/mlp_block/dense_layer"] = (BERT_MLP, BERT_WIDTH)
        norms += [f"{layer}/attention_block/layer_norm", f"{layer}/mlp_block/layer_norm"]
    for name, shape in matrices.items():
        shapes |= {f"{name}/kernel": shape, f"{name}/bias": shape[1:]}
    for name in norms:
        shapes |= {f"{name}/scale": (BERT_WIDTH,), f"{name}/bias": (BERT_WIDTH,)}
    few = {name: np.round(random_array(name, shape) * 4) / 4 for name, shape in shapes.items()}
    halves = {name: np.round(few[name] * 2) / 2 for name in few if name.endswith("kernel")}
    return {name: array.astype(np.float16) for name, array in {**few, **halves}.items()}


def bert_features(weights, tokens):
    """Of transformers' BertModel, whose own names of weights are on the left."""
    embeddings, layers = "embeddings", "encoder.layer"
    tables = {"word": "token", "position": "position", "token_type": "segment"}
    state = {
        f"{embeddings}.{ours}_embeddings.weight": weights[f"{BERT}/embedder/embedders_{theirs}_ids/embedding"]
        for ours, theirs in tables.items()
    }

    def linear(ours, theirs):
        state[f"{ours}.weight"] = weights[f"{theirs}/kernel"].T
        state[f"{ours}.bias"] = weights[f"{theirs}/bias"]

    def norm(ours, theirs):
        state[f"{ours}.weight"] = weights[f"{theirs}/scale"]
        state[f"{ours}.bias"] = weights[f"{theirs}/bias"]

    norm(f"{embeddings}.LayerNorm", f"{BERT}/layer_norm")
    for i in range(DEPTH):
        ours, theirs = f"{layers}.{i}", f"{BERT}/encoder_block/layer_sequence/layers_{i}"
        for part in ["query", "key", "value"]:
            linear(f"{ours}.attention.self.{part}", f"{theirs}/attention_block/attention_layer/{part}")
        linear(f"{ours}.attention.output.dense", f"{theirs}/attention_block/dense_layer")
        norm(f"{ours}.attention.output.LayerNorm", f"{theirs}/attention_block/layer_norm")
        linear(f"{ours}.intermediate.dense", f"{theirs}/mlp_block/mlp/dense_layer")
        linear(f"{ours}.output.dense", f"{theirs}/mlp_block/dense_layer")
        norm(f"{ours}.output.LayerNorm", f"{theirs}/mlp_block/layer_norm")
    config = transformers.BertConfig(
        vocab_size=VOCABULARY,
        hidden_size=BERT_WIDTH,
        num_hidden_layers=DEPTH,
        num_attention_heads=BERT_HEADS,
        intermediate_size=BERT_MLP,
        max_position_embeddings=BERT_PLACES,
        hidden_act="gelu_pytorch_tanh",
    )
    model = transformers.BertModel(config, add_pooling_layer=False).eval().double()
    model.load_state_dict({name: torch_array(array) for name, array in state.items()})
    rows = torch.tensor(tokens)
    with torch.no_grad():
        hidden = model(input_ids=rows, attention_mask=(rows != 0).int()).last_hidden_state
    return hidden[:, 0].numpy() @ weights["head/kernel"].astype(np.float64) + weights["head/bias"].astype(np.float64)


# Files.


def renumbered(weights):
    """The names that flax gave before linen: the parts of a block in one row."""
    new = ["LayerNorm_1", "MultiHeadDotProductAttention_0", "MlpBlock_0"]
    old = ["LayerNorm_2", "MultiHeadDotProductAttention_1", "MlpBlock_3"]
    back = {}
    for name, array in weights.items():
        for before, after in zip(new, old, strict=True):
            name = name.replace(f"/{before}/", f"/{after}/")
        back[name] = array
    linen = flax.training.checkpoints.convert_pre_linen(unflatten_dict(back, sep="/"))
    flat = flatten_dict(linen, sep="/")
    assert flat.keys() == weights.keys() and all((flat[name] == weights[name]).all() for name in flat)
    return back


def packed(array):
    return base64.b64encode(np.asarray(array).astype("<f4").tobytes()).decode()


def write(name, weights, pixels, images, *, tokens=None, texts=None, logits=None, grids=None, zipped=False):
    folder = MODELS / f"{name}-npz"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (np.savez_compressed if zipped else np.savez)(folder / f"{name}.npz", **weights)
    # limn takes [N, 3, H, W], and patches as they are.
    shown = pixels if grids is not None else pixels.transpose(0, 3, 1, 2)
    versions = {module.__name__: module.__version__ for module in [jax, flax, open_clip, timm, transformers]}
    expected = {
        "source": "flax.linen's layers, checked against open_clip, timm and transformers",
        "version": " ".join(f"{module} {version}" for module, version in versions.items()),
        "command": "python -P test/goldens/generate/flax-models.py",
        **{"seed": SEED, "dtype": "float64", "rtol": 1e-5, "atol": 1e-6},
        "pixelShape": list(shown.shape),
        "pixels": packed(shown),
        **({} if grids is None else {"grids": grids}),
        **({} if tokens is None else {"tokens": tokens.tolist()}),
        "imageEmbeddings": packed(images),
        **({} if texts is None else {"textEmbeddings": packed(texts), "logits": packed(logits)}),
    }
    (folder / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")
    size = (folder / f"{name}.npz").stat().st_size
    print(f"{name}: {len(weights)} arrays, {size} bytes")
    assert size < 100_000


def scalars(t, b=None):
    numbers = {"t": np.asarray([t], np.float32)}
    return numbers if b is None else {**numbers, "b": np.asarray([b], np.float32)}


def siglip(name, scan, kernels, prefix, beside):
    pixels, tokens = pixels_of(), token_rows(1)
    tower, reader = Image("map", scan), Text(scan)
    image = random_weights(tower, pixels, kernels=kernels)
    text = random_weights(reader, tokens, kernels=kernels)
    numbers = scalars(2.3, -7.5)
    expected = pair(apply(tower, image, pixels), apply(reader, text, tokens), numbers["t"], numbers["b"])
    weights = under(prefix, {**under("img/", image), **under("txt/", text), **numbers})
    check_siglip(weights, pixels, tokens, expected)
    images, texts, logits = expected
    written = {**weights, **beside}
    write(name, written, pixels, images, tokens=tokens, texts=texts, logits=logits)


def siglip2_naflex():
    grids = [[3, 3], [2, 5], [4, 2]]
    patches = generator.uniform(-1, 1, size=(3, 10, 3 * PATCH**2)).astype(np.float32)
    tokens = token_rows(0)
    tower, reader = NaflexImage(tuple(map(tuple, grids))), Text()
    image = random_weights(tower, patches)
    text = random_weights(reader, tokens)
    numbers = scalars(2.1, -8.5)
    expected = pair(apply(tower, image, patches), apply(reader, text, tokens), numbers["t"], numbers["b"])
    weights = {**under("img/", image), **under("txt/", text), **numbers}
    check_siglip2(weights, patches, grids, tokens, expected)
    images, texts, logits = expected
    beside = {"tokens": tokens, "texts": texts, "logits": logits, "grids": grids}
    write("siglip2-naflex", under("params/", weights), patches, images, **beside)


def lit_bert():
    pixels, tokens = pixels_of(), token_rows(0, first=2)
    tower = Image("tok", old=True)
    image = random_weights(tower, pixels)
    text, numbers = bert_weights(), scalars(2.2)
    images, texts, logits = pair(apply(tower, image, pixels), bert_features(text, tokens), numbers["t"])
    # timm knows the places of old files under the names of before linen.
    check_timm(renumbered(image), pixels, images, global_pool="token")
    weights = {**under("img/", image), **under("txt/", text), **numbers}
    beside = {"tokens": tokens, "texts": texts, "logits": logits, "zipped": True}
    write("lit-bert", weights, pixels, images, **beside)


def lit_small():
    pixels, tokens = pixels_of(), token_rows(1)
    tower, reader = Image("tok", head=WIDTH), Text()
    image, text = random_weights(tower, pixels), random_weights(reader, tokens)
    numbers = scalars(1.9)
    images, texts, logits = pair(apply(tower, image, pixels), apply(reader, text, tokens), numbers["t"])
    weights = {**under("img/", image), **under("txt/", text), **numbers}
    check = {"global_pool": "token", "no_embed_class": True, "num_classes": WIDTH}
    check_timm(weights, pixels, images, prefix="img/", **check)
    siglip_image = under("img/", random_weights(Image("map"), pixels))
    model = read_by_open_clip({**weights, **siglip_image, "b": np.zeros(1)})
    found = model.text.eval().double()(torch.tensor(tokens))
    same(unit(found.detach()), texts, "texts, open_clip")
    write("lit-small", weights, pixels, images, tokens=tokens, texts=texts, logits=logits)


def augreg(name, old):
    pixels = pixels_of()
    tower = Image("tok", old=old)
    image = random_weights(tower, pixels, kernels=np.float32 if old else np.float16)
    images = unit(apply(tower, image, pixels))
    heads = {"head/kernel": (WIDTH, 10), "head/bias": (10,)}
    if old:
        heads |= {"pre_logits/kernel": (WIDTH, WIDTH), "pre_logits/bias": (WIDTH,)}
    head = {one: random_array(one, shape) for one, shape in heads.items()}
    named = renumbered(image) if old else image
    check_timm({**named, **head}, pixels, images, global_pool="token", no_embed_class=not old)
    write(name, {**named, **head}, pixels, images)


def main():
    # Names of optimizer state and of the trainer's clock, as big_vision's train.py saves them.
    state = {"opt/0/mu/t": np.zeros(1, np.float32), "chrono/num_steps": np.asarray(9, np.int64)}
    siglip("siglip", False, np.float32, "params/", state)
    siglip("siglip-scan", True, ml_dtypes.bfloat16, "", {})
    siglip2_naflex()
    lit_bert()
    lit_small()
    augreg("augreg", old=False)
    augreg("augreg-pre-linen", old=True)


if __name__ == "__main__":
    main()
