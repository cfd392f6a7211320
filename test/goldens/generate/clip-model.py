"""A tiny CLIPModel in its own files, with the embeddings that transformers computes.

Run:  python test/goldens/generate/clip-model.py
Needs transformers 5.x, torch, safetensors.

Writes test/goldens/clip-tiny/: the folder as transformers saves it, and expected.json with two
images, four token rows, and their embeddings. Every weight is random, norms and biases included, so
that no swapped pair of weights can go unseen.
"""

import base64
import json
import pathlib
import sys

# The script's folder comes first on the path, and files in it have the names of libraries.
sys.path.pop(0)
import numpy as np
import torch
import transformers
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel

SEED = 20240611
FOLDER = pathlib.Path(__file__).parent.parent / "clip-tiny"
LAYERS = {
    "hidden_size": 32,
    "intermediate_size": 72,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
}
EOT, VOCABULARY, CONTEXT = 95, 96, 12


def packed(tensor):
    return base64.b64encode(tensor.detach().numpy().astype("<f4").tobytes()).decode()


def unit(features):
    pooled = getattr(features, "pooler_output", features)
    return pooled / pooled.norm(dim=-1, keepdim=True)


def token_rows(generator):
    """Rows of different lengths; one has no padding, one repeats the end of text as padding."""
    rows = torch.zeros(4, CONTEXT, dtype=torch.long)
    for row, length in zip(rows, [3, 7, 12, 5], strict=True):
        row[:length] = torch.randint(1, EOT - 1, (length,), generator=generator)
        row[0], row[length - 1] = EOT - 1, EOT
    rows[3, 5:] = EOT
    return rows


def main():
    torch.manual_seed(SEED)
    text = {"vocab_size": VOCABULARY, "max_position_embeddings": CONTEXT, "pad_token_id": 0}
    ids = {"bos_token_id": EOT - 1, "eos_token_id": EOT}
    config = CLIPConfig(
        text_config={**LAYERS, **text, **ids, "hidden_act": "quick_gelu"},
        vision_config={**LAYERS, "image_size": 32, "patch_size": 8, "hidden_act": "gelu"},
        projection_dim=24,
    )
    model = CLIPModel(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.2 + (0.5 if parameter.ndim == 1 else 0))
        model.logit_scale.fill_(3.25)
    model.save_pretrained(FOLDER)
    CLIPImageProcessor(size=32, crop_size=32).save_pretrained(FOLDER)

    generator = torch.Generator().manual_seed(SEED)
    pixels = torch.randn(2, 3, 32, 32, generator=generator)
    tokens = token_rows(generator)
    with torch.no_grad():
        image = unit(model.get_image_features(pixel_values=pixels))
        embeddings = unit(model.get_text_features(input_ids=tokens))
        logits = model(pixel_values=pixels, input_ids=tokens).logits_per_image
    assert torch.allclose(logits, np.exp(3.25) * image @ embeddings.T, rtol=1e-4)
    golden = {
        "source": "transformers CLIPModel, random weights",
        "version": {"transformers": transformers.__version__, "torch": torch.__version__},
        "command": "python test/goldens/generate/clip-model.py",
        "seed": SEED,
        "dtype": "float32",
        "rtol": 1e-5,
        "atol": 1e-6,
        "pixels": packed(pixels),
        "tokens": tokens.tolist(),
        "imageEmbeddings": packed(image),
        "textEmbeddings": packed(embeddings),
        "logits": packed(logits),
    }
    (FOLDER / "expected.json").write_text(json.dumps(golden, indent=1) + "\n")


main()
