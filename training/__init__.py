"""Everything that touches a tensor: data, embeddings, out-of-fold predictions, models, training.

Importing this package does not import TensorFlow; it only keeps TensorFlow's native log off the terminal.
A level that the user has set stays. (Level 2 would still report the lack of a GPU as an error.)
"""

import os
import sys
import tempfile

from imageclinic.core.processes.optional_packages import require

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def load_tensorflow() -> None:
    """Import TensorFlow without the lines that its libraries write to standard error while they are loaded,
    which no log level stops. They are shown when the import fails. For programs that own the terminal.

    Raises:
        InputError: TensorFlow or Keras is not installed.
    """
    require("tensorflow", "keras")
    sys.stderr.flush()
    with tempfile.TemporaryFile() as lines:
        stderr = os.dup(2)
        os.dup2(lines.fileno(), 2)
        try:
            import tensorflow

            # Python's own: each training traces its graphs again, and TensorFlow warns of that.
            tensorflow.get_logger().setLevel("ERROR")
        except BaseException:
            lines.seek(0)
            os.write(stderr, lines.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
