"""A faster engine for networks that only predict: OpenVINO on the processor, TensorFlow where it is missing.

OpenVINO (Intel, Apache 2.0) runs on x86 and ARM. EfficientNet-Lite is made for it from its weights (`lite_graph`);
other networks are read as TensorFlow's frozen graph, by its own reader: nothing is sent anywhere, as its converter for
Python objects may do. Where the processor multiplies bfloat16 numbers, it works with them: with a mantissa of 8 bits
vectors differ by a few percent, the order of suspects hardly (docs/mislabels.md has the numbers).

Images go through one by one, several at a time: one image's features stay in the processor's cache. EfficientNet-Lite2
at 224 pixels ran at 117 to 121 images a processor second so, at 89 to 92 in batches of 32, and at 34 to 37 in
TensorFlow (bfloat16 but for TensorFlow, two busy cores, in turns).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from imageclinic.core.processes.temporary_folders import temporary_folder
from imageclinic.training.models import backbones, lite_graph

if TYPE_CHECKING:
    import keras


def name() -> str:
    """What `predictor` uses on this machine, for the version of vectors: engine and precision."""
    if backbones.has_gpu():
        return "tensorflow mixed_float16"
    core = _core()
    if core is None:
        return "tensorflow float32"
    return f"openvino {'bfloat16' if _has_bfloat16(core) else 'float32'}"


def predictor(model: keras.Model, *, precision: str | None = None) -> Callable[[Any], Any]:
    """A function from batches (n, …) to what `model` predicts for them, as fast as this machine can.

    Args:
        model: with one input and one output.
        precision: ``f32`` or ``bf16``, for OpenVINO; None: bfloat16 where the processor has it.

    Returns:
        `model.predict_on_batch`, or its equal in OpenVINO, within the precision's rounding.
    """
    core = None if backbones.has_gpu() else _core()
    if core is None:
        return model.predict_on_batch
    with temporary_folder("imageclinic-network-") as folder:
        file = folder / "network.pb"
        file.write_bytes(_frozen(model))
        network = core.read_model(file)
        network.reshape([1, *(n or -1 for n in model.input_shape[1:])])
        return _one_by_one(core, network, np.float32, precision)


def bundled(
    backbone: backbones.Backbone, side: int, *, precision: str | None = None
) -> tuple[Callable[[Any], Any], int] | None:
    """What `predictor` gives for EfficientNet-Lite, without Keras and TensorFlow; None where OpenVINO does not predict.

    Args:
        backbone: one of EfficientNet-Lite's.
        side: of the images, in pixels.
        precision: see `predictor`.

    Returns:
        A function from uint8 RGB images (n, side, side, 3) to the features of `backbones.load` with several depths,
        float32 (n, width), and their width.

    Raises:
        InputError: see `lite_graph.build`.
    """
    core = None if backbones.has_gpu() else _core()
    if core is None or backbone.lite is None:
        return None
    network = lite_graph.build(backbone.lite, side, grid=backbone.grid)
    return _one_by_one(core, network, np.uint8, precision), network.output(0).shape[1]


def _one_by_one(core: Any, network: Any, takes: type, precision: str | None) -> Callable[[Any], Any]:
    """A function from batches to what a network predicts that takes one image, of numbers of the type `takes`."""
    import openvino

    hint = precision or ("bf16" if _has_bfloat16(core) else "f32")
    properties = {"INFERENCE_PRECISION_HINT": hint, "PERFORMANCE_HINT": "THROUGHPUT"}
    queue = openvino.AsyncInferQueue(core.compile_model(network, "CPU", properties))

    def predict(batch: Any) -> Any:
        images: npt.NDArray[Any] = np.ascontiguousarray(batch, takes)
        found: list[Any] = [None] * len(images)

        def keep(request: Any, at: int) -> None:
            found[at] = request.get_output_tensor(0).data.copy()

        queue.set_callback(keep)
        for at in range(len(images)):
            queue.start_async(images[at : at + 1], at)
        queue.wait_all()
        return np.concatenate(found)

    return predict


def _frozen(model: keras.Model) -> bytes:
    """The model as a TensorFlow graph with constants for weights."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    spec = tf.TensorSpec((None, *model.input_shape[1:]), tf.float32)
    function = tf.function(lambda batch: model(batch, training=False)).get_concrete_function(spec)
    graph: bytes = convert_variables_to_constants_v2(function).graph.as_graph_def().SerializeToString()
    return graph


def _core() -> Any:
    try:
        import openvino
    except ImportError:  # no wheel for this machine
        return None
    return openvino.Core()


def _has_bfloat16(core: Any) -> bool:
    return "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
