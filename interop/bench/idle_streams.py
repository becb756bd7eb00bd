"""The memory of multiplexed streams on which nothing happens."""

import tracemalloc

from goplugin_py.wire.yamux import Session, StreamOpened


def bytes_of_idle_streams(count: int) -> float:
    """Return the bytes that each stream takes in one of two sessions."""
    near, far = (Session(is_client=is_client, now=0) for is_client in (True, False))
    streams = []
    tracemalloc.start()
    for _ in range(count):
        streams.append(near.open_stream(0))
        far.receive_data(near.data_to_send(), 0)
        for event in far.events():
            assert isinstance(event, StreamOpened)
            event.stream.accept()
        near.receive_data(far.data_to_send(), 0)
        near.events()
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert near.stream_count == far.stream_count == count
    return size / 2 / count
