"""A stubber whose client the adapters take: botocore's own type says `BaseClient` of every service."""

from __future__ import annotations

from typing import Any

from botocore.stub import Stubber as BotocoreStubber


class Stubber(BotocoreStubber):
    """Holds requests and answers to botocore's model of the service."""

    client: Any
