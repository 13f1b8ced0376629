"""The replay buffer: transitions in preallocated tensors, drawn uniformly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch


class Replay:
    """The last ``capacity`` transitions; every field has a width, and N rows are added at once.

    All fields lie side by side in one tensor: a batch is one gather.
    """

    def __init__(
        self, capacity: int, fields: Mapping[str, int], generator: torch.Generator
    ) -> None:
        self.capacity, self.generator = capacity, generator
        self.fields = dict(fields)
        self.rows = torch.zeros(capacity, sum(self.fields.values()))
        self.size = 0
        self.position = 0

    def add(self, transitions: Mapping[str, torch.Tensor]) -> None:
        """Rows (N, width) of every field; the oldest give way. N is at most the capacity."""
        rows = torch.cat([transitions[name].to(self.rows.dtype) for name in self.fields], 1)
        count = len(rows)
        if count > self.capacity:
            raise ValueError(f"{count} transitions at once, the buffer holds {self.capacity}")
        first = min(count, self.capacity - self.position)
        self.rows[self.position : self.position + first] = rows[:first]
        self.rows[: count - first] = rows[first:]
        self.position = (self.position + count) % self.capacity
        self.size = min(self.size + count, self.capacity)

    def sample(self, count: int) -> dict[str, torch.Tensor]:
        """``count`` transitions, independently and uniformly; fields by name, (count, width)."""
        return self.take(self.draw(count))

    def draw(self, count: int) -> torch.Tensor:
        """Indices of such transitions, for buffers that are filled side by side."""
        return torch.randint(self.size, (count,), generator=self.generator)

    def take(self, chosen: torch.Tensor) -> dict[str, torch.Tensor]:
        """The transitions at some indices (count,)."""
        parts = self.rows.index_select(0, chosen).split(list(self.fields.values()), dim=1)
        return dict(zip(self.fields, parts, strict=True))

    def column(self, field: str) -> torch.Tensor:
        """A field of everything that is stored, (size, width)."""
        start = 0
        for name, width in self.fields.items():
            if name == field:
                return self.rows[: self.size, start : start + width]
            start += width
        raise KeyError(field)

    def state(self) -> dict[str, object]:
        """All of it but the generator, for a checkpoint."""
        rows = self.rows[: self.size].clone()
        return {"rows": rows, "size": self.size, "position": self.position}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Back to what :meth:`state` gave. Raises ValueError where it does not fit."""
        size, position = int(state["size"]), int(state["position"])
        if not 0 <= position < self.capacity or state["rows"].shape != (size, self.rows.shape[1]):
            raise ValueError("transitions of another shape")
        self.rows[:size] = state["rows"]
        self.size, self.position = size, position
