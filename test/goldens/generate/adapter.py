"""A LoRA adapter that peft makes for the golden clip-tiny, with the embeddings that it then computes.

Run:  python -P test/goldens/generate/adapter.py
      python -P test/goldens/generate/adapter.py MODEL ADAPTER EMBEDDINGS
Needs peft 0.21, transformers 5.x, torch, safetensors.

Writes test/goldens/clip-tiny-adapter/: the folder as peft saves it, and expected.json with the
embeddings of clip-tiny's images and token rows. No change is zero; ranks and alphas differ between
projections, and one head is saved whole.

With arguments it writes nothing: it loads the adapter that limn wrote, with peft, into the model folder
and compares with limn's embeddings, a JSON of {"image": [[...]], "text": [[...]]} for the same inputs.
"""

import base64
import json
import pathlib
import sys

import numpy as np
import peft
import torch
import transformers
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import CLIPModel

SEED = 20240612
GOLDENS = pathlib.Path(__file__).parent.parent
MODEL, ADAPTER = GOLDENS / "clip-tiny", GOLDENS / "clip-tiny-adapter"


def unpacked(text, dtype, shape):
    return torch.from_numpy(np.frombuffer(base64.b64decode(text), dtype).copy()).reshape(shape)


def packed(tensor):
    return base64.b64encode(tensor.detach().numpy().astype("<f4").tobytes()).decode()


def unit(features):
    pooled = getattr(features, "pooler_output", features)
    return pooled / pooled.norm(dim=-1, keepdim=True)


def embed(model):
    golden = json.loads((MODEL / "expected.json").read_text())
    pixels = unpacked(golden["pixels"], "<f4", (2, 3, 32, 32))
    tokens = torch.tensor(golden["tokens"], dtype=torch.long)
    model.eval()
    with torch.no_grad():
        return (
            unit(model.get_image_features(pixel_values=pixels)),
            unit(model.get_text_features(input_ids=tokens)),
        )


def make():
    torch.manual_seed(SEED)
    base = CLIPModel.from_pretrained(MODEL)
    settings = LoraConfig(
        r=2,
        lora_alpha=6,
        target_modules=["q_proj", "v_proj", "out_proj", "fc1", "fc2"],
        rank_pattern={"fc1": 3, "vision_model.*.out_proj": 1},
        alpha_pattern={"fc1": 5, "text_model.*.fc2": 0.5},
        modules_to_save=["visual_projection", "vision_model.post_layernorm"],
    )
    model = get_peft_model(base, settings)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(0, 0.3)
            if ".modules_to_save." in name:
                parameter.add_(torch.randn_like(parameter) * 0.1)
    model.save_pretrained(ADAPTER)
    (ADAPTER / "README.md").unlink()
    config = json.loads((ADAPTER / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = "clip-tiny"
    config["target_modules"] = sorted(config["target_modules"])
    (ADAPTER / "adapter_config.json").write_text(json.dumps(config, indent=2, sort_keys=True))
    image, text = embed(PeftModel.from_pretrained(CLIPModel.from_pretrained(MODEL), ADAPTER))
    golden = {
        "source": "peft.PeftModel over transformers.CLIPModel",
        "version": f"peft {peft.__version__}, transformers {transformers.__version__}, torch {torch.__version__}",
        "command": "python -P test/goldens/generate/adapter.py",
        "seed": SEED,
        "dtype": "float32",
        "rtol": 1e-5,
        "atol": 1e-6,
        "imageEmbeddings": packed(image),
        "textEmbeddings": packed(text),
    }
    (ADAPTER / "expected.json").write_text(json.dumps(golden, indent=1) + "\n")


def compare(model, adapter, embeddings):
    limn = json.loads(pathlib.Path(embeddings).read_text())
    wrapped = PeftModel.from_pretrained(CLIPModel.from_pretrained(model), adapter)
    for name, found in zip(["image", "text"], embed(wrapped), strict=True):
        print(name, float((found - torch.tensor(limn[name])).abs().max()))


if __name__ == "__main__":
    compare(*sys.argv[1:]) if len(sys.argv) > 1 else make()
