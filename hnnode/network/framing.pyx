# cython: language_level=3, boundscheck=False, wraparound=False
"""Frames of the peer protocol: u32 length of the payload, big-endian, u8 kind, payload.

The transport reads straight into the parser's buffer (`get_buffer`); one wake-up hands over all frames that are
complete (`buffer_updated`). The buffer holds `buffer_bytes`, or exactly one frame while a larger one arrives; a length
over the limit is refused when its header is there, before anything is allocated for it.
"""

from cpython.bytearray cimport PyByteArray_AS_STRING
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.string cimport memcpy, memmove

from hnnode.errors import PeerFault

cdef Py_ssize_t HEAD = 5

HEAD_BYTES = HEAD


cdef class FrameParser:
    """Parser of one connection; not thread-safe."""

    cdef bytearray _buffer
    cdef Py_ssize_t _size
    cdef Py_ssize_t _end
    cdef Py_ssize_t _base
    cdef Py_ssize_t _frame_bytes_max

    def __init__(self, Py_ssize_t frame_bytes_max, Py_ssize_t buffer_bytes):
        if frame_bytes_max < 1 or buffer_bytes < HEAD:
            raise ValueError(f"frame_bytes_max {frame_bytes_max}, buffer_bytes {buffer_bytes}: too small")
        self._frame_bytes_max = frame_bytes_max
        self._base = buffer_bytes
        self._buffer = bytearray(buffer_bytes)
        self._size = buffer_bytes
        self._end = 0

    @property
    def held_bytes(self):
        """Bytes of an unfinished frame."""
        return self._end

    @property
    def capacity_bytes(self):
        """Size of the buffer: `buffer_bytes`, or that of one large frame."""
        return self._size

    def get_buffer(self, Py_ssize_t size_hint):
        """Where the transport may write; never empty."""
        return memoryview(self._buffer)[self._end:]

    def buffer_updated(self, Py_ssize_t count):
        """Take `count` bytes written into the buffer; returns the complete frames as (kind, payload).

        Raises PeerFault FRAME_TOO_LARGE (6102); the connection is useless after it.
        """
        cdef const unsigned char* data = <const unsigned char*> PyByteArray_AS_STRING(self._buffer)
        cdef Py_ssize_t start = 0
        cdef Py_ssize_t length
        cdef Py_ssize_t wanted = HEAD
        cdef list frames = []
        if count < 0 or count > self._size - self._end:
            raise ValueError(f"count {count} does not fit the buffer")
        self._end += count
        while self._end - start >= HEAD:
            length = (
                (<Py_ssize_t> data[start] << 24)
                | (<Py_ssize_t> data[start + 1] << 16)
                | (<Py_ssize_t> data[start + 2] << 8)
                | <Py_ssize_t> data[start + 3]
            )
            if length > self._frame_bytes_max:
                raise PeerFault("FRAME_TOO_LARGE", f"frame has {length} bytes, want at most {self._frame_bytes_max}")
            if self._end - start < HEAD + length:
                wanted = HEAD + length
                break
            frames.append((
                data[start + 4],
                PyBytes_FromStringAndSize(<const char*> data + start + HEAD, length),
            ))
            start += HEAD + length
        self._arrange(start, wanted)
        return frames

    cdef _arrange(self, Py_ssize_t start, Py_ssize_t wanted):
        """Move the unfinished frame to the front of a buffer in which it fits."""
        cdef Py_ssize_t rest = self._end - start
        cdef Py_ssize_t size = wanted if wanted > self._base else self._base
        cdef bytearray other
        if size != self._size:
            # A new object, never a resize: the transport may still hold a view of the old one.
            other = bytearray(size)
            memcpy(PyByteArray_AS_STRING(other), PyByteArray_AS_STRING(self._buffer) + start, rest)
            self._buffer = other
            self._size = size
        elif start > 0 and rest > 0:
            memmove(PyByteArray_AS_STRING(self._buffer), PyByteArray_AS_STRING(self._buffer) + start, rest)
        self._end = rest
