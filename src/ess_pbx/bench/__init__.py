"""Figures of the running engine, each beside plain Asterisk on the same machine in the same run."""

from __future__ import annotations

from typing import ClassVar

from ess_pbx.errors import EssPbxError


class BenchError(EssPbxError):
    """A benchmark could not be carried out as it must, so there is no figure."""

    code: ClassVar[str] = "bench"
