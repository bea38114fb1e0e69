"""torch.distributed.tensor.placement_types: how a tensor lies on a dimension of a mesh."""

from collections.abc import Sequence

__all__ = ["Partial", "Placement", "Replicate", "Shard"]


class Placement:
    """How a tensor lies on one dimension of a mesh.

    >>> torch.distributed.tensor.Shard(1).is_shard(), torch.distributed.tensor.Shard(1).is_partial()
    (True, False)
    """

    def is_shard(self, dim: int | None = None) -> bool:
        """Whether each process has a part (along this dimension)."""
        return False

    def is_replicate(self) -> bool:
        """Whether each process has all of it."""
        return False

    def is_partial(self, reduce_op: str | None = None) -> bool:
        """Whether the tensor is the reduction of what the processes have."""
        return False


class Shard(Placement):
    """Shard(dim): each process has a part along dimension ``dim``, as ``torch.chunk`` cuts.

    >>> torch.distributed.tensor.Shard(0)
    Shard(dim=0)
    """

    def __init__(self, dim: int) -> None:
        self.dim = dim

    def is_shard(self, dim: int | None = None) -> bool:
        """True, for its dimension."""
        return dim is None or dim == self.dim

    def __eq__(self, other: object) -> bool:
        return type(other) is Shard and other.dim == self.dim

    def __hash__(self) -> int:
        return hash(("shard", self.dim))

    def __repr__(self) -> str:
        return f"Shard(dim={self.dim})"

    def __str__(self) -> str:
        return f"S({self.dim})"

    @staticmethod
    def local_shard_size_and_offset(
        curr_local_size: int, num_chunks: int, rank: int
    ) -> tuple[int, int]:
        """How much of a dimension process ``rank`` has, and where it begins."""
        width = -(-curr_local_size // num_chunks)
        start = min(rank * width, curr_local_size)
        return min(width, curr_local_size - start), start


class _StridedShard(Shard):
    """_StridedShard(dim, *, split_factor): a part of a part. Along ``dim`` the tensor is cut first
    by another dimension of the mesh, into ``split_factor`` parts; ``fully_shard`` cuts so what
    tensor parallel layers have cut along the same dimension.
    """

    def __init__(self, dim: int, *, split_factor: int) -> None:
        super().__init__(dim)
        self.split_factor = split_factor

    def __eq__(self, other: object) -> bool:
        if isinstance(other, _StridedShard):
            return self.dim == other.dim and self.split_factor == other.split_factor
        return False

    def __hash__(self) -> int:
        return hash(("strided", self.dim, self.split_factor))

    def __repr__(self) -> str:
        return f"_StridedShard(dim={self.dim}, sf={self.split_factor})"

    def __str__(self) -> str:
        return f"_S({self.dim}, {self.split_factor})"


def cut_in_order(placements: Sequence[Placement]) -> list[int]:
    """The dimensions of the mesh in the order in which they cut: parts of parts come last."""
    strided = [isinstance(p, _StridedShard) for p in placements]
    return sorted(range(len(strided)), key=strided.__getitem__)


class Replicate(Placement):
    """Replicate(): each process has all of it.

    >>> torch.distributed.tensor.Replicate()
    Replicate()
    """

    def is_replicate(self) -> bool:
        """True."""
        return True

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Replicate)

    def __hash__(self) -> int:
        return hash("replicate")

    def __repr__(self) -> str:
        return "Replicate()"

    def __str__(self) -> str:
        return "R"


class Partial(Placement):
    """Partial(reduce_op='sum'): the tensor is the sum (or average, ...) of what all have.

    >>> torch.distributed.tensor.Partial("avg")
    Partial(avg)
    """

    def __init__(self, reduce_op: str = "sum") -> None:
        self.reduce_op = reduce_op

    def is_partial(self, reduce_op: str | None = None) -> bool:
        """True, for its reduction."""
        return reduce_op is None or reduce_op == self.reduce_op

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Partial) and other.reduce_op == self.reduce_op

    def __hash__(self) -> int:
        return hash(("partial", self.reduce_op))

    def __repr__(self) -> str:
        return f"Partial({self.reduce_op})"

    def __str__(self) -> str:
        return f"P({self.reduce_op})"
