"""What tiny models of Hugging Face's families compute of pixels and token rows.

Run:  python -P test/goldens/generate/hugging-face-models.py
Needs transformers 5.x, torch, torchvision, safetensors.

Writes test/goldens/models/<family>/expected.json: pictures, token rows, and what they become: unit rows, and
logits where there is a pair. The pairs are those that end-to-end.py wrote. The towers alone, vit and bert, are
made here, as transformers saves them; every weight is random, norms and biases included, so that no swapped pair
of weights can go unseen. SigLIP 2's NaFlex also has pictures as bytes, of several shapes, and what its
processor (by Pillow) and model make of them: their grids and embeddings.

Where the folder holds limn-config.json, the configuration as limn writes it
(test/goldens/generate/hugging-face-configs.mjs), transformers has to read it as the same model.
"""

import base64
import json
import pathlib
import shutil
import tempfile

import numpy as np
import torch
import transformers
from PIL import Image
from transformers import (
    AutoImageProcessor,
    AutoModel,
    BertConfig,
    BertForPreTraining,
    Siglip2Model,
    ViTConfig,
    ViTForImageClassification,
    ViTImageProcessor,
)

SEED = 20240612
MODELS = pathlib.Path(__file__).parent.parent / "models"
VOCABULARY, CONTEXT = 64, 8


def layers(width, mlp):
    heads = {"num_hidden_layers": 2, "num_attention_heads": 4}
    return {"hidden_size": width, "intermediate_size": mlp, **heads}


TEXT = {**layers(24, 40), "vocab_size": VOCABULARY, "max_position_embeddings": CONTEXT}
PICTURE = layers(16, 36)


def packed(tensor):
    return base64.b64encode(tensor.detach().numpy().astype("<f4").tobytes()).decode()


def unit(features):
    return features / features.norm(dim=-1, keepdim=True)


def randomise(model):
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.2 + (0.5 if parameter.ndim == 1 else 0))
    return model.eval()


def token_rows(generator, pad, vocabulary=VOCABULARY, width=CONTEXT):
    """Rows of different lengths, one of them without padding."""
    rows = torch.full((4, width), pad)
    for row, length in zip(rows, [3, 6, width, width - 3], strict=True):
        row[:length] = torch.randint(2, vocabulary, (length,), generator=generator)
    return rows


def pictures(generator, side):
    return torch.randn(2, 3, side, side, generator=generator)


def pair(folder, generator, pad, width=None):
    """The pair in a folder, and token rows as long as its positions or as `width`."""
    model = AutoModel.from_pretrained(folder).eval()
    text = model.config.text_config
    return model, token_rows(generator, pad, text.vocab_size, width or text.max_position_embeddings)


def siglip(folder, generator):
    model, tokens = pair(folder, generator, 1)
    return model, {"pixel_values": pictures(generator, 26), "input_ids": tokens}


def siglip2_naflex(folder, generator):
    """Four pictures: the table's own grid, and wider, higher and smaller ones, with padding."""
    model, tokens = pair(folder, generator, 0)
    shapes = torch.tensor([[4, 4], [2, 7], [5, 3], [1, 1]])
    places = torch.arange(16).unsqueeze(0) < shapes.prod(1, keepdim=True)
    inputs = {
        "pixel_values": torch.randn(4, 16, 48, generator=generator),
        "pixel_attention_mask": places.int(),
        "spatial_shapes": shapes,
        "input_ids": tokens,
    }
    return model, inputs


def align(folder, generator):
    """Rows are shorter than the table of positions."""
    model, tokens = pair(folder, generator, 0, width=CONTEXT)
    mask = (tokens != 0).int()
    return model, {"pixel_values": pictures(generator, 37), "input_ids": tokens, "attention_mask": mask}


def made(model, folder):
    randomise(model).save_pretrained(folder)
    (folder / "model.safetensors").chmod(0o644)
    assert (folder / "model.safetensors").stat().st_size < 100_000
    return model


def vit(folder, generator):
    config = ViTConfig(**PICTURE, image_size=24, patch_size=8, num_labels=3)
    ViTImageProcessor(size={"height": 24, "width": 24}).save_pretrained(folder)
    return made(ViTForImageClassification(config), folder), {"pixel_values": pictures(generator, 24)}


def bert(folder, generator):
    tokens = token_rows(generator, 0)
    inputs = {"input_ids": tokens, "attention_mask": (tokens != 0).int()}
    return made(BertForPreTraining(BertConfig(**TEXT)), folder), inputs


def computed(model, inputs):
    """What limn has to compute too, by expected.json's names."""
    with torch.no_grad():
        if isinstance(model, ViTForImageClassification):
            hidden = model.vit(**inputs).last_hidden_state
            return {"imageEmbeddings": unit(hidden[:, 0])}
        if isinstance(model, BertForPreTraining):
            return {"textEmbeddings": unit(model.bert(**inputs).last_hidden_state[:, 0])}
        output = model(**inputs)
        assert torch.allclose(output.image_embeds.norm(dim=-1), torch.ones(1))
        return {
            "imageEmbeddings": output.image_embeds,
            "textEmbeddings": output.text_embeds,
            "logits": output.logits_per_image,
        }


def gradients(model, inputs):
    """Of weights of the tower whose positions are resized, for random gradients of its output."""
    if not isinstance(model, Siglip2Model):
        return {}
    features = model.get_image_features(
        **{name: tensor for name, tensor in inputs.items() if name != "input_ids"}
    ).pooler_output
    generator = torch.Generator().manual_seed(SEED + 1)
    given = torch.randn(features.shape, generator=generator)
    names = ["position_embedding.weight", "patch_embedding.weight"]
    names = [*(f"embeddings.{name}" for name in names), "head.probe"]
    weights = [model.vision_model.get_parameter(name) for name in names]
    found = torch.autograd.grad(features, weights, given)
    by_name = {f"vision_model.{name}": packed(it) for name, it in zip(names, found, strict=True)}
    return {"outputGradient": packed(given), "gradients": by_name}


SHAPES = [(24, 40), (64, 11), (16, 16), (7, 90), (3, 3), (33, 20)]


def whole_pictures(model, folder):
    """RGB pictures of other shapes than the patches fill, each processed and embedded alone."""
    if not isinstance(model, Siglip2Model):
        return {}
    random = np.random.default_rng(SEED)
    resize = AutoImageProcessor.from_pretrained(folder, backend="pil")
    found = {"pictures": [], "pictureGrids": [], "pictureEmbeddings": []}
    for height, width in SHAPES:
        pixels = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
        inputs = resize(Image.fromarray(pixels), return_tensors="pt")
        with torch.no_grad():
            features = unit(model.get_image_features(**inputs).pooler_output)
        data = base64.b64encode(pixels.tobytes()).decode()
        found["pictures"].append({"width": width, "height": height, "data": data})
        found["pictureGrids"].append(inputs["spatial_shapes"][0].tolist())
        found["pictureEmbeddings"].append(features[0])
    assert len({tuple(grid) for grid in found["pictureGrids"]}) >= 4, found["pictureGrids"]
    return found | {"pictureEmbeddings": packed(torch.stack(found["pictureEmbeddings"]))}


def expected(inputs, results, source):
    pixels, tokens = inputs.get("pixel_values"), inputs.get("input_ids")
    golden = {
        "source": f"transformers {source}, random weights",
        "version": {"transformers": transformers.__version__, "torch": torch.__version__},
        "command": "python -P test/goldens/generate/hugging-face-models.py",
        "seed": SEED,
        "dtype": "float32",
        "rtol": 1e-5,
        "atol": 1e-6,
    }
    if pixels is not None:
        golden["pixelShape"] = list(pixels.shape)
        golden["pixels"] = packed(pixels)
    if "spatial_shapes" in inputs:
        golden["grids"] = inputs["spatial_shapes"].tolist()
    if tokens is not None:
        golden["tokens"] = tokens.tolist()
    return golden | {name: packed(tensor) for name, tensor in results.items()}


def check_written(folder, model, inputs, results):
    """limn's configuration, read by transformers, has to make the same model of the same weights."""
    written = folder / "limn-config.json"
    if not written.exists():
        return
    with tempfile.TemporaryDirectory() as copy:
        shutil.copy(folder / "model.safetensors", copy)
        shutil.copy(written, pathlib.Path(copy) / "config.json")
        again, info = type(model).from_pretrained(copy, output_loading_info=True)
    assert not any(info.values()), info
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name
    for name, tensor in computed(again.eval(), inputs).items():
        # Convolutions may add in another order where memory is aligned in another way.
        gap = (tensor - results[name]).abs().max().item()
        assert gap < 1e-6, (name, gap)
    print(f"{written.parent.name}: limn's config.json is read as the same model")


def main():
    for family in [siglip, siglip2_naflex, align, vit, bert]:
        torch.manual_seed(SEED)
        folder = MODELS / family.__name__.replace("_", "-")
        folder.mkdir(parents=True, exist_ok=True)
        model, inputs = family(folder, torch.Generator().manual_seed(SEED))
        results = computed(model, inputs)
        golden = expected(inputs, results, type(model).__name__) | gradients(model, inputs)
        golden |= whole_pictures(model, folder)
        (folder / "expected.json").write_text(json.dumps(golden, indent=1) + "\n")
        assert all(np.isfinite(tensor.numpy()).all() for tensor in results.values())
        check_written(folder, model, inputs, results)


main()
