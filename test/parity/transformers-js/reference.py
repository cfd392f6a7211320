"""A CLIP and a SigLIP 2 as limn and transformers.js read them, and what transformers makes of pictures and texts.

Run:  python test/parity/transformers-js/reference.py FOLDER PHOTO...     (compare.mjs does)
Needs the environment of bench/peers/requirements.txt.

Writes FOLDER/<name>: a Hugging Face folder with onnx/vision_model.onnx and onnx/text_model.onnx beside its
weights, and FOLDER/<name>.safetensors: pixels, tokens and unit rows of the photographs and of 2,000 texts, the
hostile strings of test/goldens/captions.json.gz and a prompt for each class of ImageNet; for CLIP also the tokens
of OpenAI's own code, as open_clip has it. Weights are random. CLIP has its published vocabulary; SigLIP 2 the
one of test/goldens/family-tokens.json.gz, in the form of google's files.
"""

import argparse
import gzip
import json
import pathlib
import warnings

import open_clip
import torch
import transformers as hf
from PIL import Image
from safetensors.torch import save_file

# The exporter's, of what does not change between two calls.
warnings.filterwarnings("ignore")
hf.logging.set_verbosity_error()
GOLDENS = pathlib.Path(__file__).parents[2] / "goldens"
TOWERS = [("get_image_features", "pixel_values"), ("get_text_features", "input_ids")]
LAYERS = dict(hidden_size=384, intermediate_size=1536, num_hidden_layers=6, num_attention_heads=6)


def golden(name):
    return json.loads(gzip.decompress((GOLDENS / f"{name}.json.gz").read_bytes()))


def clip(folder):
    lines = gzip.open(open_clip.tokenizer.default_bpe()).read().decode().split("\n")[1:48895]
    names = list(open_clip.tokenizer.SimpleTokenizer().encoder)[:-2] + ["<|startoftext|>", "<|endoftext|>"]
    merges = [tuple(line.split()) for line in lines]
    vocabulary = {name: i for i, name in enumerate(names)}
    tokenizer = hf.CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=77)
    text = dict(**LAYERS, eos_token_id=49407, bos_token_id=49406, pad_token_id=49407)
    config = hf.CLIPConfig(text_config=text, vision_config=dict(**LAYERS, patch_size=32), projection_dim=256)
    return hf.CLIPModel(config), hf.CLIPImageProcessorPil(), tokenizer, 77


def siglip2(folder):
    for name, text in golden("family-tokens")["siglip2"]["published"].items():
        (folder / name).write_text(text)
    tokenizer = hf.Siglip2Tokenizer.from_pretrained(folder)
    vision = dict(**LAYERS, image_size=256, patch_size=16)
    text = dict(**LAYERS, vocab_size=len(tokenizer), pad_token_id=0, eos_token_id=1, bos_token_id=2)
    config = hf.SiglipConfig(text_config=text, vision_config=vision)
    processor = hf.SiglipImageProcessorPil(size={"height": 256, "width": 256}, resample=2)
    return hf.SiglipModel(config), processor, None, 64


class Tower(torch.nn.Module):
    def __init__(self, model, encode, name):
        super().__init__()
        self.model, self.encode, self.name = model, encode, name

    def forward(self, inputs):
        found = getattr(self.model, self.encode)(**{self.name: inputs})
        return getattr(found, "pooler_output", found)


def all_texts():
    templates, names = open_clip.OPENAI_IMAGENET_TEMPLATES, open_clip.IMAGENET_CLASSNAMES
    prompts = [templates[i % len(templates)](name) for i, name in enumerate(names)]
    return golden("captions")["texts"] + prompts


def tokens_of_openai(texts):
    """Rows that are filled up with the end, as transformers fills them."""
    rows = open_clip.tokenizer.SimpleTokenizer()(texts, 77)
    for row, end in zip(rows, rows.argmax(dim=-1), strict=True):
        row[end:] = 49407
    return {"ownTokens": rows.int()}


def export(tower, inputs, file, output):
    names = dict(input_names=[tower.name], output_names=[output])
    axes = {tower.name: {0: "batch"}, output: {0: "batch"}}
    torch.onnx.export(tower, (inputs,), file, **names, dynamic_axes=axes, dynamo=False)


def unit(rows):
    return (rows / rows.norm(dim=-1, keepdim=True)).contiguous()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("photos", nargs="+")
    args = parser.parse_args()
    texts = all_texts()
    images = [Image.open(photo).convert("RGB") for photo in args.photos]
    for make, tokenizer_class, output in [
        (clip, hf.CLIPTokenizer, ("image_embeds", "text_embeds")),
        (siglip2, hf.Siglip2Tokenizer, ("pooler_output", "pooler_output")),
    ]:
        torch.manual_seed(20261128)
        folder = args.folder / make.__name__
        (folder / "onnx").mkdir(parents=True, exist_ok=True)
        model, processor, tokenizer, length = make(folder)
        model.eval().save_pretrained(folder)
        processor.save_pretrained(folder)
        if tokenizer is not None:
            tokenizer.save_pretrained(folder)
        tokenizer = tokenizer_class.from_pretrained(folder)
        pixels = processor(images=images, return_tensors="pt")["pixel_values"]
        fill = dict(padding="max_length", max_length=length, truncation=True)
        tokens = tokenizer(texts, **fill, return_tensors="pt")["input_ids"]
        towers = [Tower(model, *names) for names in TOWERS]
        with torch.no_grad():
            found = {
                "pixels": pixels.contiguous(),
                "tokens": tokens.int(),
                "image": unit(towers[0](pixels)),
                "text": unit(torch.cat([towers[1](part) for part in tokens.split(50)])),
            }
            found |= tokens_of_openai(texts) if make is clip else {}
            export(towers[0], pixels[:2], folder / "onnx" / "vision_model.onnx", output[0])
            export(towers[1], tokens[:2], folder / "onnx" / "text_model.onnx", output[1])
        save_file(found, args.folder / f"{make.__name__}.safetensors")
    (args.folder / "texts.json").write_text(json.dumps(texts))
    (args.folder / "versions.json").write_text(json.dumps({"transformers": hf.__version__, "torch": torch.__version__}))


main()
