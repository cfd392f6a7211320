"""open_clip's folders, OpenAI's archive and timm's folder, each by its own library."""

import importlib.util
import os
import pathlib

import open_clip
import timm
import torch
from open_clip.push_to_hf_hub import save_for_hf as save_open_clip
from open_clip.transform import PreprocessCfg, image_transform_v2
from timm.data import create_transform, resolve_model_data_config
from timm.models import save_for_hf as save_timm

from . import inputs
from .family import Family, unit


def open_clip_pair(model, pixels, tokens):
    image, text = unit(model.encode_image(pixels)), unit(model.encode_text(tokens))
    logits = model.logit_scale.exp() * image @ text.T
    bias = getattr(model, "logit_bias", None)
    return {"image": image, "text": text, "logits": logits if bias is None else logits + bias}


class NoTokenizer:
    """open_clip's own tokenizers come from the hub; the models here are given rows of tokens."""

    def save_pretrained(self, folder):
        pass


class OpenClip(Family):
    saved_as = "open-clip"

    def __init__(self, name, tokens):
        self.name, self.tokens = name, tokens

    def write(self, folder):
        model = inputs.randomize(open_clip.create_model(self.name))
        config = open_clip.get_model_config(self.name)
        save_open_clip(model, NoTokenizer(), config, folder, safe_serialization=True)

    def read(self, folder):
        model = open_clip.create_model(f"local-dir:{folder}").eval()
        return model, image_transform_v2(PreprocessCfg(**model.visual.preprocess_cfg), is_train=False)

    def prepare(self, read, images):
        return {"pixels": torch.stack([read[1](image) for image in images])}

    def embed(self, read, prepared):
        return open_clip_pair(read[0], prepared["pixels"], self.tokens)


class OpenAi(OpenClip):
    """
    OpenAI's class of PyPI's openai-clip 1.0.1, whose folder `clip` is named by $OPENAI_CLIP: traced, in
    float16, as OpenAI published it. limn saves it in open_clip's layout, which has the same names.
    """

    def __init__(self):
        super().__init__("ViT-B-32", inputs.clip_tokens())
        path = pathlib.Path(os.environ["OPENAI_CLIP"]) / "model.py"
        spec = importlib.util.spec_from_file_location("openai_clip_model", path)
        self.module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.module)

    def write(self, folder):
        model = inputs.randomize(self.module.CLIP(512, 224, 12, 768, 32, 77, 49408, 512, 8, 12))
        self.module.convert_weights(model)
        # OpenAI's archives hold three numbers beside the weights; tracing needs float32 on the CPU.
        for name, value in {"input_resolution": 224, "context_length": 77, "vocab_size": 49408}.items():
            if hasattr(model, name):
                delattr(model, name)
            model.register_buffer(name, torch.tensor(value))
        state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        images = torch.zeros(1, 3, 224, 224)
        traced = torch.jit.trace(model.float(), (images, self.tokens[:1]), check_trace=False)
        for name, tensor in [*traced.named_parameters(), *traced.named_buffers()]:
            tensor.data = state[name]
        folder.mkdir(parents=True)
        traced.save(str(folder / "ViT-B-32.pt"))

    def read(self, folder):
        state = torch.jit.load(folder / "ViT-B-32.pt").state_dict()
        model = self.module.build_model(state).float().eval()
        return model, image_transform_v2(PreprocessCfg(), is_train=False)

    def read_back(self, folder):
        return super().read(folder)


class TimmImage(Family):
    """An image tower alone: its features, before any classifier."""

    name = "ViT-B/16 AugReg (vit_base_patch16_224)"

    def write(self, folder):
        model = inputs.randomize(timm.create_model("vit_base_patch16_224.augreg_in21k"))
        save_timm(model, folder, safe_serialization=True)

    def read(self, folder):
        model = timm.create_model(f"local-dir:{folder}", pretrained=True).eval()
        return model, create_transform(**resolve_model_data_config(model), is_training=False)

    def prepare(self, read, images):
        return {"pixels": torch.stack([read[1](image) for image in images])}

    def embed(self, read, prepared):
        hidden = read[0].forward_features(prepared["pixels"])
        return {"image": read[0].forward_head(hidden, pre_logits=True)}
