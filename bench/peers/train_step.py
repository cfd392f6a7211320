"""open_clip's side of train-step: the same weights, batch and objective, AdamW in its fastest form."""

import math
import resource
import time

import open_clip
import torch
from open_clip.loss import ClipLoss
from safetensors.torch import load_file

from answer import serve

state = {}

BLOCK = {
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
    "self_attn.out_proj": "attn.out_proj",
}


def tower(weights, ours, theirs, depth):
    """The blocks of one tower under open_clip's names."""
    found = {}
    for i in range(depth):
        for kind in ("weight", "bias"):
            prefix = f"{ours}.encoder.layers.{i}"
            for a, b in BLOCK.items():
                found[f"{theirs}.{i}.{b}.{kind}"] = weights[f"{prefix}.{a}.{kind}"]
            qkv = [weights[f"{prefix}.self_attn.{c}_proj.{kind}"] for c in "qkv"]
            found[f"{theirs}.{i}.attn.in_proj_{kind}"] = torch.cat(qkv)
    return found


def convert(weights):
    """Weights of a CLIPModel as open_clip names them."""
    found = tower(weights, "vision_model", "visual.transformer.resblocks", 12)
    found |= tower(weights, "text_model", "transformer.resblocks", 12)
    vision, text = "vision_model.embeddings", "text_model.embeddings"
    found["visual.conv1.weight"] = weights[f"{vision}.patch_embedding.weight"]
    found["visual.class_embedding"] = weights[f"{vision}.class_embedding"]
    found["visual.positional_embedding"] = weights[f"{vision}.position_embedding.weight"]
    for kind in ("weight", "bias"):
        found[f"visual.ln_pre.{kind}"] = weights[f"vision_model.pre_layrnorm.{kind}"]
        found[f"visual.ln_post.{kind}"] = weights[f"vision_model.post_layernorm.{kind}"]
        found[f"ln_final.{kind}"] = weights[f"text_model.final_layer_norm.{kind}"]
    found["visual.proj"] = weights["visual_projection.weight"].t()
    found["text_projection"] = weights["text_projection.weight"].t()
    found["token_embedding.weight"] = weights[f"{text}.token_embedding.weight"]
    found["positional_embedding"] = weights[f"{text}.position_embedding.weight"]
    found["logit_scale"] = weights["logit_scale"]
    return found


def prepare(threads, folder):
    torch.set_num_threads(threads)
    state["weights"] = convert(load_file(f"{folder}/model/model.safetensors"))
    state["batch"] = load_file(f"{folder}/batch.safetensors")
    return {"torch": torch.__version__, "open_clip": open_clip.__version__}


def learner(length):
    """
    Model and optimizer for texts of `length` tokens, which is open_clip's --force-context-length, and the work of its
    variable-length text. All settings of a length share them: four of each do not fit a small machine's memory.
    """
    if ("learner", length) in state:
        return state["learner", length]
    model = open_clip.create_model("ViT-B-32", force_context_length=length)
    position = state["weights"]["positional_embedding"][:length]
    weights = state["weights"] | {"positional_embedding": position}
    found = model.load_state_dict(weights, strict=False)
    assert not found.unexpected_keys and set(found.missing_keys) <= {"attn_mask"}, found
    model.train()
    decayed = [p for p in model.parameters() if p.ndim >= 2]
    others = [p for p in model.parameters() if p.ndim < 2]
    groups = [{"params": decayed, "weight_decay": 0.2}, {"params": others, "weight_decay": 0.0}]
    # A rate that is a tensor is not compiled in, as open_clip's step compile has it.
    rate = torch.tensor(1e-6)
    optimizer = torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.98), eps=1e-6, fused=True)
    state["learner", length] = (model, optimizer)
    return model, optimizer


def trainer(length, precision, compiled):
    """
    Model, optimizer, loss and step; `precision` is open_clip's --precision amp_bf16, `compiled` its --torchcompile
    --torchcompile-strategy step.
    """
    key = (length, precision, compiled)
    if key in state:
        return state[key]
    model, optimizer = learner(length)
    batch = state["batch"]
    objective = ClipLoss()

    def loss():
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            image, text, scale = model(batch["pixels"], batch["tokens"][:, :length])[:3]
            return objective(image, text, scale)

    def update():
        loss().backward()
        optimizer.step()

    state[key] = (model, optimizer, loss, torch.compile(update) if compiled else update)
    return state[key]


def loss(length, precision):
    with torch.no_grad():
        return trainer(length, precision, False)[2]().item()


def step(length, precision="float32", compiled=False):
    """Seconds of a step; the first one of a compiled step, which compiles, is not counted."""
    known = (length, precision, compiled) in state
    model, optimizer, _, update = trainer(length, precision, compiled)
    if compiled and not known:
        try:
            optimizer.zero_grad()
            update()
        except Exception as error:  # no compiler, or one that fails
            return {"failed": (str(error).strip() or type(error).__name__).splitlines()[0][:200]}
    start = time.perf_counter()
    optimizer.zero_grad()
    update()
    with torch.no_grad():
        model.logit_scale.clamp_(0, math.log(100))
    return time.perf_counter() - start


def peak():
    """Bytes of the process at its largest."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


serve({"prepare": prepare, "loss": loss, "step": step, "peak": peak})
