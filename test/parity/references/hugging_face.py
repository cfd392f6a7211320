"""transformers' models in Hugging Face's folders."""

import transformers as hf

from . import inputs
from .family import Family, unit


class HuggingFace(Family):
    saved_as = "hugging-face"

    def __init__(self, name, kind, config, processor, tokens, masked=False):
        self.name, self.kind, self.config, self.processor = name, kind, config, processor
        self.tokens = tokens
        self.text = {"attention_mask": (tokens != 0).long()} if masked else {}

    def write(self, folder):
        inputs.randomize(self.kind(self.config)).save_pretrained(folder)
        self.processor.save_pretrained(folder)

    def read(self, folder):
        return load_pretrained(self.kind, folder), type(self.processor).from_pretrained(folder)

    def prepare(self, read, images):
        prepared = read[1](images=images, return_tensors="pt")
        return {"pixels": prepared.pop("pixel_values"), **prepared}

    def embed(self, read, prepared):
        images = {"pixel_values": prepared["pixels"]} | {k: v for k, v in prepared.items() if k != "pixels"}
        return pair_embeddings(read[0], self.tokens, self.text, **images)


def load_pretrained(kind, folder):
    model, found = kind.from_pretrained(folder, output_loading_info=True)
    assert not any(found.values()), found
    return model.eval()


def pair_embeddings(model, tokens, text=None, **images):
    texts = {"input_ids": tokens, **(text or {})}
    return {
        "image": unit(pooled(model.get_image_features(**images))),
        "text": unit(pooled(model.get_text_features(**texts))),
        "logits": model(**texts, **images).logits_per_image,
    }


def pooled(features):
    return getattr(features, "pooler_output", features)


def clip_l14():
    text = dict(hidden_size=768, intermediate_size=3072, num_attention_heads=12, eos_token_id=49407)
    size = dict(hidden_size=1024, intermediate_size=4096, num_hidden_layers=24, num_attention_heads=16)
    config = hf.CLIPConfig(text_config=text, vision_config=dict(**size, patch_size=14), projection_dim=768)
    return HuggingFace("ViT-L/14", hf.CLIPModel, config, hf.CLIPImageProcessorPil(), inputs.clip_tokens())


def siglip_so400m():
    size = dict(hidden_size=1152, intermediate_size=4304, num_hidden_layers=27, num_attention_heads=16)
    text = dict(**size, max_position_embeddings=16)
    config = hf.SiglipConfig(text_config=text, vision_config=dict(**size, image_size=224, patch_size=14))
    processor = hf.SiglipImageProcessorPil(size={"height": 224, "width": 224})
    return HuggingFace("So400m/14-224", hf.SiglipModel, config, processor, inputs.siglip_tokens(16))


def siglip2_base():
    text, vision = dict(vocab_size=256000), dict(image_size=256, patch_size=16)
    config = hf.SiglipConfig(text_config=text, vision_config=vision)
    processor = hf.SiglipImageProcessorPil(size={"height": 256, "width": 256}, resample=2)
    return HuggingFace("SigLIP 2 B/16-256", hf.SiglipModel, config, processor, inputs.siglip2_tokens())


def siglip2_naflex():
    config = hf.Siglip2Config(text_config=dict(vocab_size=256000), vision_config=dict(num_patches=256))
    processor = hf.Siglip2ImageProcessorPil(max_num_patches=256, patch_size=16)
    name = "SigLIP 2 B/16-NaFlex, up to 256 patches"
    return HuggingFace(name, hf.Siglip2Model, config, processor, inputs.siglip2_tokens())


def align():
    config = hf.AlignConfig(vision_config=dict(image_size=289), projection_dim=640)
    processor = hf.EfficientNetImageProcessorPil(
        size={"height": 346, "width": 346},
        resample=2,
        do_center_crop=True,
        crop_size={"height": 289, "width": 289},
        rescale_factor=1 / 127.5,
        rescale_offset=True,
        do_normalize=False,
        include_top=False,
    )
    name = "EfficientNet-B7, BERT-base"
    return HuggingFace(name, hf.AlignModel, config, processor, inputs.bert_tokens(), masked=True)
