"""Bytes and values of the protocol: no socket, file, thread, clock or grpc."""
