HEAD_BYTES: int

class FrameParser:
    """Parser of one connection; not thread-safe. The transport reads into `get_buffer`."""

    def __init__(self, frame_bytes_max: int, buffer_bytes: int) -> None: ...
    @property
    def held_bytes(self) -> int:
        """Bytes of an unfinished frame."""
    @property
    def capacity_bytes(self) -> int:
        """Size of the buffer: `buffer_bytes`, or that of one large frame."""
    def get_buffer(self, size_hint: int) -> memoryview:
        """Where the transport may write; never empty."""
    def buffer_updated(self, count: int) -> list[tuple[int, bytes]]:
        """Complete frames as (kind, payload). Raises PeerFault FRAME_TOO_LARGE (6102)."""
