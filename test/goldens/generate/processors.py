"""Writes test/goldens/processors.json.gz: what the image processors of transformers, open_clip and
timm make of the pictures in image.json.gz.

    python -P test/goldens/generate/processors.py     needs transformers 5, open_clip, timm, torch

Every processor is made from the JSON that its models carry. Outputs are brought back to 8-bit levels
by undoing the normalisation, which the script checks to be exact; the golden holds the first 64 bits
of their SHA-256, for the Pillow and the torchvision form of each processor of transformers.

It also reads processors-written.json, the same configurations as limn writes them, back through
AutoImageProcessor and open_clip, and stops where a picture comes out otherwise; a test holds that
limn still writes these.
"""

import base64, gzip, hashlib, io, json, pathlib, tempfile

import numpy as np
import open_clip
import PIL
import timm
import torchvision
import transformers
from open_clip.transform import PreprocessCfg, image_transform_v2, merge_preprocess_dict
from PIL import Image
from timm.data import create_transform, resolve_data_config
from transformers import AutoImageProcessor
from transformers.models.clip.image_processing_clip import CLIPImageProcessor
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.efficientnet.image_processing_efficientnet import EfficientNetImageProcessor
from transformers.models.efficientnet.image_processing_pil_efficientnet import EfficientNetImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil
from transformers.models.siglip.image_processing_siglip import SiglipImageProcessor
from transformers.models.siglip2.image_processing_pil_siglip2 import Siglip2ImageProcessorPil
from transformers.models.siglip2.image_processing_siglip2 import Siglip2ImageProcessor
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil
from transformers.models.vit.image_processing_vit import ViTImageProcessor

FOLDER = pathlib.Path(__file__).resolve().parent.parent
CLIP = {"image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711]}
HALF = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}
# One output whole, to see the normalised numbers.
SHOWN = "png-rgb-5x3"

# Layouts of openai/clip-vit-base-patch32 (first version), google/siglip-base-patch16-224,
# kakaobrain/align-base, google/vit-base-patch16-224, google/siglip2-base-patch16-naflex; made small.
HUGGING_FACE = {
    "clip-first-files": (
        CLIPImageProcessor,
        CLIPImageProcessorPil,
        {
            "crop_size": 16,
            "do_center_crop": True,
            "do_normalize": True,
            "do_resize": True,
            "feature_extractor_type": "CLIPFeatureExtractor",
            **CLIP,
            "resample": 3,
            "size": 16,
        },
    ),
    "clip-cropped-bilinear": (
        CLIPImageProcessor,
        CLIPImageProcessorPil,
        {
            "image_processor_type": "CLIPImageProcessorFast",
            "size": {"shortest_edge": 18},
            "crop_size": {"height": 15, "width": 15},
            "resample": 2,
        },
    ),
    "siglip": (
        SiglipImageProcessor,
        SiglipImageProcessorPil,
        {
            "image_processor_type": "SiglipImageProcessor",
            "do_resize": True,
            "size": {"height": 17, "width": 17},
            "resample": 3,
            "do_rescale": True,
            "rescale_factor": 0.00392156862745098,
            "do_normalize": True,
            **HALF,
        },
    ),
    "siglip2": (
        SiglipImageProcessor,
        SiglipImageProcessorPil,
        {
            "image_processor_type": "SiglipImageProcessorFast",
            "do_convert_rgb": True,
            "size": {"height": 14, "width": 14},
            "resample": 2,
            **HALF,
        },
    ),
    "align": (
        EfficientNetImageProcessor,
        EfficientNetImageProcessorPil,
        {
            "image_processor_type": "EfficientNetImageProcessor",
            "crop_size": {"height": 15, "width": 15},
            "do_center_crop": True,
            "do_normalize": False,
            "do_rescale": True,
            "do_resize": True,
            "image_mean": [0.485, 0.456, 0.406],
            "image_std": [0.229, 0.224, 0.225],
            "include_top": False,
            "resample": 2,
            "rescale_factor": 0.00784313725490196,
            "rescale_offset": True,
            "size": {"height": 18, "width": 18},
        },
    ),
    "efficientnet-include-top": (
        EfficientNetImageProcessor,
        EfficientNetImageProcessorPil,
        {"image_processor_type": "EfficientNetImageProcessor", "size": 13, "image_std": [0.3, 0.5, 0.6]},
    ),
    "vit": (
        ViTImageProcessor,
        ViTImageProcessorPil,
        {"image_processor_type": "ViTImageProcessor", "size": 14, "resample": 2, **HALF},
    ),
    "vit-lanczos": (
        ViTImageProcessor,
        ViTImageProcessorPil,
        {"image_processor_type": "ViTImageProcessorFast", "size": [12, 12], "resample": 1},
    ),
    "siglip2-naflex": (
        Siglip2ImageProcessor,
        Siglip2ImageProcessorPil,
        {
            "image_processor_type": "Siglip2ImageProcessorFast",
            "do_convert_rgb": None,
            "do_resize": True,
            "max_num_patches": 30,
            "patch_size": 4,
            "resample": 2,
            **HALF,
        },
    ),
}
OPEN_CLIP = {
    "shortest-bicubic": {"size": 24},
    "shortest-bilinear-plain": {"size": 25, "mean": [0, 0, 0], "std": [1, 1, 1], "interpolation": "bilinear"},
    "squash-bicubic": {"size": 20, "mean": [0.5] * 3, "std": [0.5] * 3, "resize_mode": "squash"},
    "squash-bilinear": {"size": [21, 21], "interpolation": "bilinear", "resize_mode": "squash"},
    "longest-bicubic": {"size": 24, "resize_mode": "longest", "fill_color": 77},
    "longest-bilinear": {"size": 19, "resize_mode": "longest", "interpolation": "bilinear"},
}
TIMM = {
    "crop-0.9-bicubic": {"input_size": [3, 24, 24], "crop_pct": 0.9, "interpolation": "bicubic", "crop_mode": "center"},
    "crop-1.0-bilinear": {"input_size": [3, 24, 24], "crop_pct": 1.0, "interpolation": "bilinear"},
    "squash": {"input_size": [3, 21, 21], "crop_pct": 1.0, "crop_mode": "squash", "mean": [0.5] * 3, "std": [0.5] * 3},
    "squash-cropped": {"input_size": [3, 20, 20], "crop_pct": 0.9, "crop_mode": "squash"},
    "border": {"input_size": [3, 22, 22], "crop_pct": 0.95, "crop_mode": "border"},
    "default-lanczos": {"input_size": [3, 18, 18], "interpolation": "lanczos"},
}


def pictures():
    text = gzip.decompress((FOLDER / "image.json.gz").read_bytes())
    for case in json.loads(text)["cases"]:
        yield case["name"], Image.open(io.BytesIO(base64.b64decode(case["bytes"])))


def short_sha(levels):
    return hashlib.sha256(np.ascontiguousarray(levels).tobytes()).hexdigest()[:16]


def levels_of(values, mean, std):
    """[H, W, 3] uint8 from normalised values with channels last."""
    exact = (np.asarray(values, np.float64) * std + mean) * 255
    levels = np.round(exact)
    assert np.abs(exact - levels).max() < 1e-2 and levels.min() >= 0 and levels.max() <= 255
    return levels.astype(np.uint8)


def statistics(config, processor):
    """The mean and deviation that a processor's steps amount to, for levels in [0, 1]."""
    mean, std = np.array(processor.image_mean), np.array(processor.image_std)
    if not config.get("image_processor_type", "").startswith("EfficientNet"):
        return mean, std
    if not processor.do_normalize:
        return np.full(3, 0.5), np.full(3, 0.5)
    return mean, std * std if processor.include_top else std


def hugging_face(name, torch_class, pil_class, config):
    pil, torch = pil_class.from_dict(dict(config)), torch_class.from_dict(dict(config))
    mean, std = statistics(config, pil)
    naflex = name.endswith("naflex")
    case = {"name": name, "kind": "naflex" if naflex else "huggingFace", "json": config}
    case |= {"pillow": {}, "torchvision": {}}
    if naflex:
        case["grids"] = {}
    differences = []
    for key, image in pictures():
        # A processor that does not convert to RGB itself fails on most other pictures.
        given = image if pil.do_convert_rgb else image.convert("RGB")
        rows = []
        for processor in (pil, torch):
            out = processor(given, return_tensors="np" if processor is pil else "pt")
            values = np.asarray(out["pixel_values"][0])
            if key == SHOWN and processor is pil:
                case["shown"] = np.round(values.ravel().astype(float), 8).tolist()
            if naflex:
                height, width = (int(side) for side in out["spatial_shapes"][0])
                case["grids"][key] = [height, width]
                assert not values[height * width :].any()
                values = values[: height * width].reshape(height * width, -1, 3)
            else:
                values = values.transpose(1, 2, 0)
            rows.append(levels_of(values, mean, std))
        exact, near = rows
        case["pillow"][key], case["torchvision"][key] = short_sha(exact), short_sha(near)
        differences.append(np.abs(near.astype(int) - exact).max())
    apart = np.array(differences)
    print(f"{name}: torchvision differs from Pillow by more than a level in {(apart > 1).sum()} pictures")
    return case


def composed(name, kind, config, transform, mean, std):
    case = {"name": name, "kind": kind, "json": config, "pillow": {}, "refused": []}
    for key, image in pictures():
        try:
            values = transform(image.convert("RGB")).numpy()
        except ValueError:  # a side of no pixels
            case["refused"].append(key)
            continue
        if key == SHOWN:
            case["shown"] = np.round(values.ravel().astype(float), 8).tolist()
        case["pillow"][key] = short_sha(levels_of(values.transpose(1, 2, 0), np.array(mean), np.array(std)))
    print(f"{kind} {name}: refused {case['refused']}")
    return case


def check_written():
    """limn's files against those that they were read from."""
    written = json.loads((FOLDER / "processors-written.json").read_text())
    originals = {name: pil_class.from_dict(dict(config)) for name, (_, pil_class, config) in HUGGING_FACE.items()}
    originals["limn-clip"] = originals["clip-first-files"]
    for name, original in originals.items():
        with tempfile.TemporaryDirectory() as folder:
            pathlib.Path(folder, "preprocessor_config.json").write_text(json.dumps(written.pop(name)))
            again = AutoImageProcessor.from_pretrained(folder, backend="pil")
        assert type(again) is type(original), (name, type(again))
        for _, image in pictures():
            given = image if original.do_convert_rgb else image.convert("RGB")
            first, second = (p(given, return_tensors="np")["pixel_values"] for p in (original, again))
            assert np.abs(first - second).max() < 1e-6, name
    for name, config in OPEN_CLIP.items():
        first, second = (PreprocessCfg(**merge_preprocess_dict(PreprocessCfg(), c)) for c in (config, written.pop(name)))
        transforms = [image_transform_v2(cfg, is_train=False) for cfg in (first, second)]
        for key, image in pictures():
            if 1 in image.size:  # longest may leave no pixels
                continue
            one, other = (transform(image.convert("RGB")) for transform in transforms)
            assert np.abs(one - other).max() < 1e-6, (name, key)
    assert not written, list(written)


def main():
    check_written()
    cases = [hugging_face(name, *rest) for name, rest in HUGGING_FACE.items()]
    for name, config in OPEN_CLIP.items():
        cfg = PreprocessCfg(**merge_preprocess_dict(PreprocessCfg(), config))
        transform = image_transform_v2(cfg, is_train=False)
        cases.append(composed(name, "openClip", config, transform, cfg.mean, cfg.std))
    for name, config in TIMM.items():
        cfg = resolve_data_config(pretrained_cfg=config)
        transform = create_transform(**cfg, is_training=False)
        cases.append(composed(name, "timm", config, transform, cfg["mean"], cfg["std"]))
    golden = {
        "source": "image processors of transformers (Pillow and torchvision), open_clip and timm",
        "version": f"transformers {transformers.__version__}, open_clip {open_clip.__version__}, "
        f"timm {timm.__version__}, Pillow {PIL.__version__}, torchvision {torchvision.__version__.split('+')[0]}",
        "command": "python -P test/goldens/generate/processors.py",
        "seed": None,
        "dtype": "uint8",
        "rtol": 0,
        "atol": 0,
        "cases": cases,
    }
    target = FOLDER / "processors.json.gz"
    target.write_bytes(gzip.compress(json.dumps(golden, separators=(",", ":")).encode(), 9, mtime=0))
    print(f"{target.name}: {len(cases)} processors, {target.stat().st_size} bytes")


main()
