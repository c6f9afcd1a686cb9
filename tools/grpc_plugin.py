"""Lets buf run grpcio-tools' generator of service code, which protoc has built in and offers to nobody else.

buf starts it and speaks the plugin protocol of protoc: a CodeGeneratorRequest on stdin, a CodeGeneratorResponse on
stdout (https://protobuf.dev/reference/other/).
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from google.protobuf.compiler.plugin_pb2 import CodeGeneratorRequest, CodeGeneratorResponse
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from grpc_tools import protoc


def main() -> None:
    """Answer the request on stdin."""
    request = CodeGeneratorRequest.FromString(sys.stdin.buffer.read())
    with_services = [each.name for each in request.proto_file if each.name in request.file_to_generate and each.service]
    answer = CodeGeneratorResponse()
    with tempfile.TemporaryDirectory() as folder:
        made, known = Path(folder) / "made", Path(folder) / "known"
        made.mkdir()
        known.write_bytes(FileDescriptorSet(file=request.proto_file).SerializeToString())
        if with_services:
            arguments = ["protoc", f"--descriptor_set_in={known}", f"--grpc_python_out={made}", *with_services]
            code = protoc.main(arguments)
            if code:
                answer.error = f"grpc_tools.protoc ended with {code}"
        for path in sorted(made.rglob("*.py")):
            answer.file.add(name=path.relative_to(made).as_posix(), content=path.read_text(encoding="utf-8"))
    sys.stdout.buffer.write(answer.SerializeToString())


if __name__ == "__main__":
    main()
