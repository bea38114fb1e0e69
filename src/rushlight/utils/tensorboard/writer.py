"""SummaryWriter: numbers, pictures and texts for TensorBoard."""

import time
from typing import Any

from rushlight._api import Tensor
from rushlight.utils.tensorboard import summaries
from rushlight.utils.tensorboard.events import Folder
from rushlight.utils.tensorboard.pictures import Pictures
from rushlight.utils.tensorboard.plugins import Plugins


class SummaryWriter(Pictures, Plugins):
    """SummaryWriter(log_dir=None, comment='', purge_step=None, max_queue=10, flush_secs=120,
    filename_suffix='')

    Writes events into ``log_dir`` (``runs/<time>_<host><comment>`` by default) for TensorBoard.
    With ``purge_step``, TensorBoard forgets what the folder has from that step on. Needs the
    optional package ``tensorboard``.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with torch.utils.tensorboard.SummaryWriter(folder) as writer:
    ...         writer.add_scalar('loss', 0.5, global_step=1)
    ...     len(list(pathlib.Path(folder).iterdir()))
    1
    """

    def __init__(
        self,
        log_dir: Folder | None = None,
        comment: str = "",
        purge_step: int | None = None,
        max_queue: int = 10,
        flush_secs: float = 120,
        filename_suffix: str = "",
    ) -> None:
        super().__init__(log_dir, comment, purge_step, max_queue, flush_secs, filename_suffix)
        self.default_bins = summaries.default_edges()

    def add_scalar(
        self,
        tag: str,
        scalar_value: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        new_style: bool = False,
        double_precision: bool = False,
    ) -> None:
        """Add one number; ``new_style`` as a tensor, which keeps float64 with ``double_precision``.

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with torch.utils.tensorboard.SummaryWriter(folder) as writer:
        ...         writer.add_scalar('loss', torch.tensor(0.5), global_step=1)
        """
        summary = summaries.scalar(tag, scalar_value, new_style, double_precision)
        self._add(summary, global_step, walltime)

    def add_scalars(
        self,
        main_tag: str,
        tag_scalar_dict: dict[str, Any],
        global_step: int | None = None,
        walltime: float | None = None,
    ) -> None:
        """Add several numbers to one chart; each has a folder of its own below the writer's.

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with torch.utils.tensorboard.SummaryWriter(folder) as writer:
        ...         writer.add_scalars('loss', {'train': 0.5, 'test': 0.7}, global_step=1)
        """
        walltime = time.time() if walltime is None else walltime
        start = f"{self._get_file_writer().get_logdir()}/{main_tag.replace('/', '_')}_"
        for tag, value in tag_scalar_dict.items():
            writer = self._writer_of(start + tag)
            writer.add_summary(summaries.scalar(main_tag, value), global_step, walltime)

    def add_tensor(
        self,
        tag: str,
        tensor: Tensor,
        global_step: int | None = None,
        walltime: float | None = None,
    ) -> None:
        """Add a whole tensor of less than 2 GB.

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with torch.utils.tensorboard.SummaryWriter(folder) as writer:
        ...         writer.add_tensor('weights', torch.eye(2), global_step=1)
        """
        self._add(summaries.tensor(tag, tensor), global_step, walltime)

    def add_histogram(
        self,
        tag: str,
        values: Any,
        global_step: int | None = None,
        bins: Any = "tensorflow",
        walltime: float | None = None,
        max_bins: int | None = None,
    ) -> None:
        """Add the distribution of a tensor's values.

        ``bins`` are those of ``numpy.histogram``, or ``'tensorflow'``, which grow with the distance
        from zero; ``max_bins`` takes bins together.

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with torch.utils.tensorboard.SummaryWriter(folder) as writer:
        ...         writer.add_histogram('weights', torch.randn(100), global_step=1)
        """
        if isinstance(bins, str) and bins == "tensorflow":
            bins = self.default_bins
        summary = summaries.histogram(tag, values, bins, max_bins)
        self._add(summary, global_step, walltime)

    def add_histogram_raw(
        self,
        tag: str,
        min: float,
        max: float,
        num: int,
        sum: float,
        sum_squares: float,
        bucket_limits: Any,
        bucket_counts: Any,
        global_step: int | None = None,
        walltime: float | None = None,
    ) -> None:
        """Add a distribution by its numbers: a count for each upper limit of a bucket.

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with torch.utils.tensorboard.SummaryWriter(folder) as writer:
        ...         writer.add_histogram_raw('w', 0., 3., 4, 6., 14., [0., 2., 4.], [0, 2, 2])
        """
        if len(bucket_limits) != len(bucket_counts):
            raise ValueError("len(bucket_limits) != len(bucket_counts), see the document.")
        summary = summaries.histogram_raw(
            tag, min, max, num, sum, sum_squares, bucket_limits, bucket_counts
        )
        self._add(summary, global_step, walltime)

    def add_audio(
        self,
        tag: str,
        snd_tensor: Any,
        global_step: int | None = None,
        sample_rate: int = 44100,
        walltime: float | None = None,
    ) -> None:
        """Add a sound of one channel, in [-1, 1], of shape (1, L) or (L,).

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with torch.utils.tensorboard.SummaryWriter(folder) as writer:
        ...         writer.add_audio('beep', torch.arange(100.).sin(), sample_rate=8000)
        """
        self._add(summaries.audio(tag, snd_tensor, sample_rate), global_step, walltime)

    def add_text(
        self,
        tag: str,
        text_string: str,
        global_step: int | None = None,
        walltime: float | None = None,
    ) -> None:
        """Add a text in Markdown.

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with torch.utils.tensorboard.SummaryWriter(folder) as writer:
        ...         writer.add_text('note', 'It *works*.', global_step=1)
        """
        self._add(summaries.text(tag, text_string), global_step, walltime)
