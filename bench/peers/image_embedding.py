"""open_clip embedding files of pictures: its own preprocessing, a DataLoader, the given weights, held
in float32 or in bfloat16.

Also exports the same weights to ONNX for transformers.js.
"""

import copy
import os
import resource
import time

import open_clip
import PIL
import torch
from PIL import Image
from safetensors.torch import load_file

from answer import serve

state = {}


class Files(torch.utils.data.Dataset):
    def __init__(self, files, transform):
        self.files = files
        self.transform = transform

    def __len__(self):
        return len(self.files)

    def __getitem__(self, index):
        return self.transform(Image.open(self.files[index]))


def from_hugging_face(weights):
    """open_clip's names for the image tower of Hugging Face's CLIPModel."""
    tower = {k.removeprefix("vision_model."): v for k, v in weights.items() if k.startswith("vision_model.")}
    out = {
        "class_embedding": tower["embeddings.class_embedding"],
        "positional_embedding": tower["embeddings.position_embedding.weight"],
        "conv1.weight": tower["embeddings.patch_embedding.weight"],
        "proj": weights["visual_projection.weight"].T,
    }
    names = {"pre_layrnorm": "ln_pre", "post_layernorm": "ln_post"}
    for old, new in names.items():
        for part in ("weight", "bias"):
            out[f"{new}.{part}"] = tower[f"{old}.{part}"]
    inside = {
        "self_attn.out_proj": "attn.out_proj",
        "layer_norm1": "ln_1",
        "layer_norm2": "ln_2",
        "mlp.fc1": "mlp.c_fc",
        "mlp.fc2": "mlp.c_proj",
    }
    depth = 1 + max(int(k.split(".")[2]) for k in tower if k.startswith("encoder.layers."))
    for i in range(depth):
        theirs, ours = f"transformer.resblocks.{i}", f"encoder.layers.{i}"
        for part in ("weight", "bias"):
            for old, new in inside.items():
                out[f"{theirs}.{new}.{part}"] = tower[f"{ours}.{old}.{part}"]
            query_key_value = [tower[f"{ours}.self_attn.{x}_proj.{part}"] for x in "qkv"]
            out[f"{theirs}.attn.in_proj_{part}"] = torch.cat(query_key_value)
    return out


def prepare(folder, files, batch_size, threads):
    torch.set_num_threads(threads)
    model, _, transform = open_clip.create_model_and_transforms("ViT-B-32-quickgelu", pretrained=None)
    model.visual.load_state_dict(from_hugging_face(load_file(f"{folder}/model.safetensors")))
    models = {torch.float32: model.eval(), torch.bfloat16: copy.deepcopy(model).bfloat16().eval()}
    state.update(models=models, transform=transform, files=files, batch_size=batch_size, loaders={})
    versions = {"open_clip": open_clip.__version__, "torch": torch.__version__}
    return {**versions, "Pillow": PIL.__version__}


def loader(workers):
    if workers not in state["loaders"]:
        data = Files(state["files"], state["transform"])
        options = {"persistent_workers": True} if workers else {}
        state["loaders"][workers] = torch.utils.data.DataLoader(
            data, batch_size=state["batch_size"], num_workers=workers, **options
        )
    return state["loaders"][workers]


def processor_seconds():
    """Of this process and the loader's workers, which still run."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    total = own.ru_utime + own.ru_stime
    with open(f"/proc/self/task/{os.getpid()}/children") as children:
        for pid in children.read().split():
            with open(f"/proc/{pid}/stat") as stat:
                user, system = stat.read().rpartition(")")[2].split()[11:13]
            total += (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
    return total


def measure(workers, precision):
    """Seconds, processor seconds, and the start of the first and the last embedding."""
    batches = loader(workers)
    dtype = getattr(torch, precision)
    model = state["models"][dtype]
    before, start = processor_seconds(), time.perf_counter()
    rows = []
    with torch.inference_mode():
        for pixels in batches:
            rows.append(model.encode_image(pixels.to(dtype), normalize=True).float())
    seconds = time.perf_counter() - start
    rows = torch.cat(rows)
    sample = rows[0, :8].tolist() + rows[-1, :8].tolist()
    return {"seconds": seconds, "processorSeconds": processor_seconds() - before, "sample": sample}


def export(folder):
    """Writes onnx/vision_model.onnx into a Hugging Face folder, as transformers.js looks for it."""
    from transformers import CLIPVisionModelWithProjection, logging

    logging.set_verbosity_error()  # it would list the text tower's weights, which are not wanted
    os.makedirs(f"{folder}/onnx", exist_ok=True)
    model = CLIPVisionModelWithProjection.from_pretrained(folder).eval()

    class Embeddings(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, pixel_values):
            return self.model(pixel_values=pixel_values).image_embeds

    torch.onnx.export(
        Embeddings(),
        (torch.zeros(2, 3, 224, 224),),
        f"{folder}/onnx/vision_model.onnx",
        input_names=["pixel_values"],
        output_names=["image_embeds"],
        dynamic_axes={"pixel_values": {0: "batch"}, "image_embeds": {0: "batch"}},
        dynamo=False,
    )
    return True


serve({"prepare": prepare, "measure": measure, "export": export})
