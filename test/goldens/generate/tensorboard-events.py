"""The bytes of an event file as TensorBoard's own classes write them, times fixed.

Run:  python -P test/goldens/generate/tensorboard-events.py
Needs tensorboard 2.x, Pillow.

Messages are built with tensorboard's protobuf classes and framed by its RecordWriter, so equal
bytes mean equal checksums, field numbers, field order and framing.
"""

import base64
import io
import json
import pathlib

import PIL
import tensorboard
from PIL import Image
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.proto.types_pb2 import DT_STRING
from tensorboard.summary.writer.record_writer import RecordWriter

TIME = 1700000000.25


def png():
    picture = Image.new("RGB", (3, 2))
    picture.putdata([(255, 0, 0), (0, 255, 0), (0, 0, 255), (1, 2, 3), (4, 5, 6), (7, 8, 9)])
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def scalars(step, values):
    return Event(
        wall_time=TIME,
        step=step,
        summary=Summary(value=[Summary.Value(tag=k, simple_value=v) for k, v in values.items()]),
    )


def text(tag, markdown, step):
    value = Summary.Value(
        tag=tag,
        metadata=SummaryMetadata(
            plugin_data=SummaryMetadata.PluginData(plugin_name="text"),
        ),
        tensor=TensorProto(
            dtype=DT_STRING,
            string_val=[markdown.encode()],
            tensor_shape=TensorShapeProto(dim=[TensorShapeProto.Dim(size=1)]),
        ),
    )
    return Event(wall_time=TIME, step=step, summary=Summary(value=[value]))


def image(tag, data, step):
    picture = Summary.Image(height=2, width=3, colorspace=3, encoded_image_string=data)
    return Event(
        wall_time=TIME, step=step, summary=Summary(value=[Summary.Value(tag=tag, image=picture)])
    )


def main():
    picture = png()
    note = "# run\n\nloss *ok*, naïve 😀"
    events = [
        Event(wall_time=TIME, file_version="brain.Event:2"),
        Event(wall_time=TIME, step=300, session_log=SessionLog(status=SessionLog.START)),
        scalars(1, {"train/loss": 3.5, "train/learningRate": 1e-6}),
        scalars(300, {"train/loss": float("nan"), "train/logitScale": 14.285714}),
        scalars(5_000_000_000, {"train/gradNorm": float("inf")}),
        text("recipe", note, 0),
        image("val/samples", picture, 7),
    ]
    out = io.BytesIO()
    writer = RecordWriter(out)
    for event in events:
        writer.write(event.SerializeToString(deterministic=True))
    golden = {
        "source": "tensorboard.summary.writer.record_writer.RecordWriter, tensorboard.compat.proto",
        "version": f"tensorboard {tensorboard.__version__}, Pillow {PIL.__version__}",
        "command": "python -P test/goldens/generate/tensorboard-events.py",
        "seed": None,
        "rtol": 0,
        "atol": 0,
        "wallTime": TIME,
        "text": note,
        "png": base64.b64encode(picture).decode(),
        "bytes": base64.b64encode(out.getvalue()).decode(),
    }
    path = pathlib.Path(__file__).parents[1] / "tensorboard-events.json"
    path.write_text(json.dumps(golden, indent=1, ensure_ascii=False) + "\n")


main()
