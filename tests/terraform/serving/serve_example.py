"""Serves the example provider in one protocol: serve_example.py VERSION."""

import sys

from provider import NotesProvider

from goplugin_py import serve
from goplugin_py.terraform.serving import serve_config

serve(serve_config(NotesProvider(), versions=[int(sys.argv[1])]))
