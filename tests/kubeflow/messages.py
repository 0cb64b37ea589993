"""kfp's messages, which are made when the module is loaded and which type checkers therefore do not see."""

from typing import Any

from kfp.pipeline_spec import pipeline_spec_pb2

messages: Any = pipeline_spec_pb2
