"""
The `.npz` files of big_vision's SigLIP and of vision_transformer's LiT, read by loaders of others:
open_clip's load_big_vision_weights, timm's load_pretrained, and transformers' BertModel by the names of
flaxformer's bert_checkpoint_converter.py.
"""

import copy

import numpy as np
import open_clip
import timm
import torch
import transformers
from open_clip.convert import load_big_vision_weights
from open_clip.model import CustomTextCLIP

from . import inputs
from .family import Family, unit
from .hugging_face import load_pretrained, pair_embeddings
from .open_clip_layouts import open_clip_pair

WIDTH, HEADS, DEPTH, MLP, PATCH = 768, 12, 12, 3072, 16
SQUARE, VECTOR = (WIDTH, WIDTH), (WIDTH,)


def dense(name, *kernel):
    return {f"{name}/kernel": kernel, f"{name}/bias": kernel[1:]}


def norm(name):
    return {f"{name}/scale": VECTOR, f"{name}/bias": VECTOR}


def attention(name):
    side = WIDTH // HEADS
    into = [dense(f"{name}/{part}", WIDTH, HEADS, side) for part in ("query", "key", "value")]
    out = {f"{name}/out/kernel": (HEADS, side, WIDTH), f"{name}/out/bias": VECTOR}
    return into[0] | into[1] | into[2] | out


def mlp(name):
    return dense(f"{name}/Dense_0", WIDTH, MLP) | dense(f"{name}/Dense_1", MLP, WIDTH)


def blocks(stack, second_norm="LayerNorm_1", inner="MultiHeadDotProductAttention_0", last="MlpBlock_0"):
    shapes = norm(f"{stack}/encoder_norm")
    for i in range(DEPTH):
        block = f"{stack}/encoderblock_{i}"
        shapes |= norm(f"{block}/LayerNorm_0") | attention(f"{block}/{inner}")
        shapes |= norm(f"{block}/{second_norm}") | mlp(f"{block}/{last}")
    return shapes


def patches(prefix):
    return dense(f"{prefix}embedding", PATCH, PATCH, 3, WIDTH) | {f"{prefix}embedding/bias": VECTOR}


def siglip_shapes():
    image = patches("img/") | {"img/pos_embedding": (1, 196, WIDTH)} | blocks("img/Transformer")
    head = "img/MAPHead_0"
    pooling = {f"{head}/probe": (1, 1, WIDTH)} | attention(f"{head}/MultiHeadDotProductAttention_0")
    pooling |= norm(f"{head}/LayerNorm_0") | mlp(f"{head}/MlpBlock_0")
    text = {"txt/Embed_0/embedding": (32000, WIDTH), "txt/pos_embedding": (1, 64, WIDTH)}
    text |= blocks("txt/Encoder_0") | dense("txt/head", *SQUARE)
    return image | pooling | text | {"t": (1,), "b": (1,)}


def lit_image_shapes():
    places = {"img/cls": (1, 1, WIDTH), "img/Transformer/posembed_input/pos_embedding": (1, 197, WIDTH)}
    # The names that flax gave before linen, by which timm knows files with positions in the encoder.
    old = ("LayerNorm_2", "MultiHeadDotProductAttention_1", "MlpBlock_3")
    return patches("img/") | places | blocks("img/Transformer", *old)


BERT = "txt/BertEncoder_0"


def lit_text_shapes():
    tables = f"{BERT}/embedder/embedders"
    rows = {"token": 30522, "position": 512, "segment": 2}
    shapes = {f"{tables}_{table}_ids/embedding": (count, WIDTH) for table, count in rows.items()}
    shapes |= norm(f"{BERT}/layer_norm") | dense("txt/head", *SQUARE)
    for i in range(DEPTH):
        layer = f"{BERT}/encoder_block/layer_sequence/layers_{i}"
        inner = f"{layer}/attention_block"
        for part in ("query", "key", "value"):
            shapes |= dense(f"{inner}/attention_layer/{part}", *SQUARE)
        shapes |= dense(f"{inner}/dense_layer", *SQUARE) | norm(f"{inner}/layer_norm")
        shapes |= dense(f"{layer}/mlp_block/mlp/dense_layer", WIDTH, MLP)
        shapes |= dense(f"{layer}/mlp_block/dense_layer", MLP, WIDTH) | norm(f"{layer}/mlp_block/layer_norm")
    return shapes | {"t": (1,)}


def random_arrays(shapes):
    random = np.random.default_rng(inputs.SEED)
    numbers = {"t": np.log(10), "b": -10}
    arrays = {}
    for name, shape in shapes.items():
        middle = numbers.get(name, 1 if name.endswith("scale") else 0)
        inputs_of = WIDTH if name.endswith("/out/kernel") else int(np.prod(shape[:-1])) or 1
        if name.endswith(("query/kernel", "key/kernel", "value/kernel")):
            inputs_of = WIDTH
        deviation = inputs_of**-0.5 if name.endswith("kernel") else 0.05
        array = random.standard_normal(shape, dtype=np.float32) * np.float32(deviation)
        arrays[name] = array + np.float32(middle)
    return arrays


def write_npz(folder, shapes):
    folder.mkdir(parents=True)
    np.savez(folder / "model.npz", **random_arrays(shapes))


class SigLip(Family):
    """
    Read by open_clip's loader. limn saves it as transformers' SiglipModel, whose weights are compared with the
    arrays under the names of its convert_siglip_to_hf.py.
    """

    name = "SigLIP B/16-224"
    saved_as = "hugging-face"
    has_processor = False

    def __init__(self):
        self.tokens = inputs.siglip_tokens()

    def write(self, folder):
        write_npz(folder, siglip_shapes())

    def read(self, folder):
        config = copy.deepcopy(open_clip.get_model_config("ViT-B-16-SigLIP"))
        del config["custom_text"]
        model = CustomTextCLIP(**config)
        load_big_vision_weights(model, folder / "model.npz")
        # All of big_vision's are the approximate one, which the configurations of open_clip and timm leave out.
        for module in model.modules():
            if isinstance(module, torch.nn.GELU):
                module.approximate = "tanh"
        return model.eval(), np.load(folder / "model.npz")

    def read_back(self, folder):
        return load_pretrained(transformers.SiglipModel, folder), None

    def prepare(self, read, images):
        return squared(images)

    def embed(self, read, prepared):
        model, arrays = read
        if arrays is None:
            return pair_embeddings(model, self.tokens, pixel_values=prepared["pixels"])
        return open_clip_pair(model, prepared["pixels"], self.tokens)

    def state(self, read):
        model, arrays = read
        return model.state_dict() if arrays is None else siglip_state(arrays)


def squared(images):
    resized = [np.asarray(image.resize((224, 224))) for image in images]
    return {"pixels": torch.tensor(np.stack(resized)).permute(0, 3, 1, 2) / 127.5 - 1}


def siglip_state(arrays):
    """SiglipModel's names on the left."""
    state = {}

    def put(ours, theirs, kernel="kernel"):
        weight, bias = arrays[f"{theirs}/{kernel}"], arrays[f"{theirs}/bias"]
        if weight.ndim == 4:
            weight = weight.transpose(3, 2, 0, 1)
        elif kernel == "kernel":
            out = theirs.endswith("/out")
            weight = (weight.reshape(-1, WIDTH) if out else weight.reshape(len(weight), -1)).T
        state.update({f"{ours}.weight": torch.tensor(weight), f"{ours}.bias": torch.tensor(bias.reshape(-1))})

    def layers(tower, stack):
        for i in range(DEPTH):
            ours, theirs = f"{tower}.encoder.layers.{i}", f"{stack}/encoderblock_{i}"
            inner = f"{theirs}/MultiHeadDotProductAttention_0"
            for short, long in {"q": "query", "k": "key", "v": "value", "out": "out"}.items():
                put(f"{ours}.self_attn.{short}_proj", f"{inner}/{long}")
            for k in (0, 1):
                put(f"{ours}.layer_norm{k + 1}", f"{theirs}/LayerNorm_{k}", "scale")
                put(f"{ours}.mlp.fc{k + 1}", f"{theirs}/MlpBlock_0/Dense_{k}")

    image, text, head = "vision_model", "text_model", "img/MAPHead_0"
    layers(image, "img/Transformer")
    layers(text, "txt/Encoder_0")
    put(f"{image}.embeddings.patch_embedding", "img/embedding")
    put(f"{image}.post_layernorm", "img/Transformer/encoder_norm", "scale")
    put(f"{text}.final_layer_norm", "txt/Encoder_0/encoder_norm", "scale")
    put(f"{text}.head", "txt/head")
    put(f"{image}.head.layernorm", f"{head}/LayerNorm_0", "scale")
    put(f"{image}.head.mlp.fc1", f"{head}/MlpBlock_0/Dense_0")
    put(f"{image}.head.mlp.fc2", f"{head}/MlpBlock_0/Dense_1")
    attention_of_head = f"{head}/MultiHeadDotProductAttention_0"
    for part in ("query", "key", "value"):
        put(part, f"{attention_of_head}/{part}")
    for leaf in ("weight", "bias"):
        parts = [state.pop(f"{part}.{leaf}") for part in ("query", "key", "value")]
        state[f"{image}.head.attention.in_proj_{leaf}"] = torch.cat(parts)
    put(f"{image}.head.attention.out_proj", f"{attention_of_head}/out")
    same = {
        f"{image}.embeddings.position_embedding.weight": arrays["img/pos_embedding"][0],
        f"{image}.head.probe": arrays[f"{head}/probe"],
        f"{text}.embeddings.token_embedding.weight": arrays["txt/Embed_0/embedding"],
        f"{text}.embeddings.position_embedding.weight": arrays["txt/pos_embedding"][0],
        "logit_scale": arrays["t"],
        "logit_bias": arrays["b"],
    }
    return state | {name: torch.tensor(array) for name, array in same.items()}


class Lit(Family):
    name = "LiT ViT-B/16, BERT-base"
    has_processor = False

    def __init__(self):
        self.tokens = inputs.bert_tokens(16, end=2000)

    def write(self, folder):
        write_npz(folder, lit_image_shapes() | lit_text_shapes())

    def read(self, folder):
        image = timm.create_model("vit_base_patch16_224", num_classes=0, act_layer="gelu_tanh").eval()
        image.load_pretrained(str(folder / "model.npz"), prefix="img/")
        config = transformers.BertConfig(hidden_act="gelu_pytorch_tanh")
        text = transformers.BertModel(config, add_pooling_layer=False).eval()
        arrays = np.load(folder / "model.npz")
        text.load_state_dict({name: torch.tensor(array) for name, array in bert_state(arrays).items()})
        head = [torch.tensor(arrays[name]) for name in ("txt/head/kernel", "txt/head/bias", "t")]
        return image, text, head

    def prepare(self, read, images):
        return squared(images)

    def embed(self, read, prepared):
        image_tower, text_tower, (kernel, bias, t) = read
        image = unit(image_tower(prepared["pixels"]))
        mask = (self.tokens != 0).long()
        hidden = text_tower(input_ids=self.tokens, attention_mask=mask).last_hidden_state
        text = unit(hidden[:, 0] @ kernel + bias)
        return {"image": image, "text": text, "logits": t.exp() * image @ text.T}

    def state(self, read):
        return {}


def bert_state(arrays):
    """BertModel's names on the left."""
    tables = {"word": "token", "position": "position", "token_type": "segment"}
    state = {
        f"embeddings.{ours}_embeddings.weight": arrays[f"{BERT}/embedder/embedders_{theirs}_ids/embedding"]
        for ours, theirs in tables.items()
    }

    def put(ours, theirs, weight):
        values = arrays[f"{theirs}/{weight}"]
        state.update({f"{ours}.weight": values.T, f"{ours}.bias": arrays[f"{theirs}/bias"]})

    put("embeddings.LayerNorm", f"{BERT}/layer_norm", "scale")
    for i in range(DEPTH):
        ours, theirs = f"encoder.layer.{i}", f"{BERT}/encoder_block/layer_sequence/layers_{i}"
        inner = f"{theirs}/attention_block"
        for part in ("query", "key", "value"):
            put(f"{ours}.attention.self.{part}", f"{inner}/attention_layer/{part}", "kernel")
        put(f"{ours}.attention.output.dense", f"{inner}/dense_layer", "kernel")
        put(f"{ours}.attention.output.LayerNorm", f"{inner}/layer_norm", "scale")
        put(f"{ours}.intermediate.dense", f"{theirs}/mlp_block/mlp/dense_layer", "kernel")
        put(f"{ours}.output.dense", f"{theirs}/mlp_block/dense_layer", "kernel")
        put(f"{ours}.output.LayerNorm", f"{theirs}/mlp_block/layer_norm", "scale")
    return state
