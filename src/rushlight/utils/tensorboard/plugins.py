"""What SummaryWriter writes for the plugins: curves, layouts, meshes, runs, embeddings, graphs."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rushlight.utils.tensorboard import embedding, summaries
from rushlight.utils.tensorboard.events import Events, FileWriter, as_array
from rushlight.utils.tensorboard.hparams import hparams

NO_GRAPH = (
    "{}: graphs need tracing, and models run eagerly here; "
    "torch.utils.summary.summary gives a table of a model's layers"
)


class Plugins(Events):
    """SummaryWriter's methods for the plugins of TensorBoard."""

    _projector: Any = None

    def add_hparams(
        self,
        hparam_dict: dict[str, Any],
        metric_dict: dict[str, Any],
        hparam_domain_discrete: dict[str, list] | None = None,
        run_name: str | None = None,
        global_step: int | None = None,
    ) -> None:
        """Add the hyperparameters of a run and what it reached, in a folder of its own.

        Values are numbers, strings, bools or tensors of one element; ``hparam_domain_discrete``
        lists the values a hyperparameter can have.

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with torch.utils.tensorboard.SummaryWriter(folder) as writer:
        ...         writer.add_hparams({'lr': 0.1, 'optimizer': 'SGD'}, {'accuracy': 0.9})
        """
        if type(hparam_dict) is not dict or type(metric_dict) is not dict:
            raise TypeError("hparam_dict and metric_dict should be dictionary.")
        found = hparams(hparam_dict, metric_dict, hparam_domain_discrete)
        found += [summaries.scalar(tag, value) for tag, value in metric_dict.items()]
        writer = FileWriter(
            Path(self._get_file_writer().get_logdir(), run_name or str(time.time()))
        )
        for summary in found:
            writer.add_summary(summary, global_step)
        writer.close()

    def add_pr_curve(
        self,
        tag: str,
        labels: Any,
        predictions: Any,
        global_step: int | None = None,
        num_thresholds: int = 127,
        weights: Any = None,
        walltime: float | None = None,
    ) -> None:
        """Add precision and recall of predictions in [0, 1] for labels 0 and 1, by threshold.

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with torch.utils.tensorboard.SummaryWriter(folder) as writer:
        ...         writer.add_pr_curve('cats', torch.tensor([1, 0]), torch.tensor([0.8, 0.3]))
        """
        thresholds = min(num_thresholds, summaries.MAX_THRESHOLDS)
        rows = summaries.count_curve(labels, predictions, thresholds, weights)
        self._add(summaries.pr_curve(tag, rows, thresholds), global_step, walltime)

    def add_pr_curve_raw(
        self,
        tag: str,
        true_positive_counts: Any,
        false_positive_counts: Any,
        true_negative_counts: Any,
        false_negative_counts: Any,
        precision: Any,
        recall: Any,
        global_step: int | None = None,
        num_thresholds: int = 127,
        weights: Any = None,
        walltime: float | None = None,
    ) -> None:
        """Add a curve of precision and recall by its counts at each threshold.

        ``weights`` is there for PyTorch's signature: the counts are weighted already.

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with torch.utils.tensorboard.SummaryWriter(folder) as writer:
        ...         counts = [[2, 1], [2, 0], [0, 2], [0, 1]]
        ...         writer.add_pr_curve_raw('cats', *counts, [0.5, 1], [1, 0.5], num_thresholds=2)
        """
        positives = [true_positive_counts, false_positive_counts]
        negatives = [true_negative_counts, false_negative_counts]
        rows = [*positives, *negatives, precision, recall]
        self._add(summaries.pr_curve(tag, rows, num_thresholds), global_step, walltime)

    def add_custom_scalars_multilinechart(
        self,
        tags: Sequence[str],
        category: str = "default",
        title: str = "untitled",
    ) -> None:
        """Show several numbers of ``add_scalar`` in one chart.

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with torch.utils.tensorboard.SummaryWriter(folder) as writer:
        ...         writer.add_custom_scalars_multilinechart(['loss/train', 'loss/test'])
        """
        self.add_custom_scalars({category: {title: ["Multiline", tags]}})

    def add_custom_scalars_marginchart(
        self,
        tags: Sequence[str],
        category: str = "default",
        title: str = "untitled",
    ) -> None:
        """Show a number of ``add_scalar`` between two others: its lower and its upper bound.

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with torch.utils.tensorboard.SummaryWriter(folder) as writer:
        ...         writer.add_custom_scalars_marginchart(['mean', 'low', 'high'])
        """
        if len(tags) != 3:
            raise AssertionError(f"Expected 3 tags, got {len(tags)}.")
        self.add_custom_scalars({category: {title: ["Margin", tags]}})

    def add_custom_scalars(
        self,
        layout: dict[str, dict[str, Any]],
    ) -> None:
        """Lay out charts: category -> title -> ``['Multiline' or 'Margin', tags]``.

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with torch.utils.tensorboard.SummaryWriter(folder) as writer:
        ...         writer.add_custom_scalars({'all': {'loss': ['Multiline', ['train', 'test']]}})
        """
        self._add(summaries.custom_scalars(layout))

    def add_mesh(
        self,
        tag: str,
        vertices: Any,
        colors: Any = None,
        faces: Any = None,
        config_dict: dict | None = None,
        global_step: int | None = None,
        walltime: float | None = None,
    ) -> None:
        """Add points, or a mesh: vertices, colors and faces (indices of vertices), each (B, N, 3).

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with torch.utils.tensorboard.SummaryWriter(folder) as writer:
        ...         writer.add_mesh('points', torch.rand(1, 10, 3), global_step=1)
        """
        parts = {"VERTEX": vertices, "FACE": faces, "COLOR": colors}
        config = "{}" if config_dict is None else json.dumps(config_dict, sort_keys=True)
        self._add(summaries.mesh(tag, parts, config), global_step, walltime)

    def add_embedding(
        self,
        mat: Any,
        metadata: Sequence | None = None,
        label_img: Any = None,
        global_step: int | None = None,
        tag: str = "default",
        metadata_header: Sequence | None = None,
    ) -> None:
        """Add vectors (N, D) for the projector, with a label and a picture (N, C, H, W) for each.

        With ``metadata_header`` a label is a list of columns. Pictures need Pillow.

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with torch.utils.tensorboard.SummaryWriter(folder) as writer:
        ...         writer.add_embedding(torch.randn(3, 5), metadata=['a', 'b', 'c'])
        """
        from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

        root = self._get_file_writer().get_logdir()
        if "://" in root:
            raise NotImplementedError(
                f"add_embedding: only local folders can be written to, not {root}"
            )
        mat = as_array(mat)
        embedding.check(mat, metadata, label_img, metadata_header)
        step = str(0 if global_step is None else global_step).zfill(5)
        folder = f"{step}/{embedding.encode(tag)}"
        embedding.write(Path(root, folder), mat, metadata, label_img, metadata_header)
        if self._projector is None:
            self._projector = ProjectorConfig()
        info = (f"{tag}:{step}", folder, metadata is not None, label_img)
        embedding.add_info(self._projector, *info)
        embedding.write_config(Path(root), self._projector)

    def add_graph(
        self,
        model: Any,
        input_to_model: Any = None,
        verbose: bool = False,
        use_strict_trace: bool = True,
    ) -> None:
        """Graphs are not written: NotImplementedError says what to use instead.

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with torch.utils.tensorboard.SummaryWriter(folder) as writer:
        ...         writer.add_graph(torch.nn.Linear(1, 1), torch.zeros(1))
        Traceback (most recent call last):
        NotImplementedError: add_graph: graphs need tracing...
        """
        raise NotImplementedError(NO_GRAPH.format("add_graph"))

    def add_onnx_graph(
        self,
        prototxt: Any,
    ) -> None:
        """Graphs are not written: NotImplementedError says what to use instead.

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with torch.utils.tensorboard.SummaryWriter(folder) as writer:
        ...         writer.add_onnx_graph('model.onnx')
        Traceback (most recent call last):
        NotImplementedError: add_onnx_graph: graphs need tracing...
        """
        raise NotImplementedError(NO_GRAPH.format("add_onnx_graph"))
