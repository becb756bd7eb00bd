"""Messages and stubs of the services this package speaks, in a pool of their own.

Everything named ``*_pb2*`` is generated: run ``python proto/generate.py``.
Modules that hold messages never import ``grpc``; the ``*_pb2_grpc`` ones do.
"""
