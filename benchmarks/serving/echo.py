"""The yardstick: a bare grpc.aio server that parses the same message and sends it back.

python -m benchmarks.serving.echo LISTEN METRICS
"""

import asyncio
import sys
from typing import Any

import grpc

from aiops.adapters.probes import Probes
from aiops.api.v1.scoring_pb2 import ScoreRequest

ECHO = "benchmarks.Echo"


async def main(listen: str, metrics: str) -> None:
    async def echo(request: Any, _: Any) -> Any:
        return request

    handler = grpc.unary_unary_rpc_method_handler(
        echo,
        request_deserializer=ScoreRequest.FromString,
        response_serializer=ScoreRequest.SerializeToString,
    )
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(ECHO, {"Score": handler}),))
    server.add_insecure_port(listen)
    await server.start()
    host, _, port = metrics.rpartition(":")
    with Probes(host, int(port), alive=lambda: "", ready=lambda: ""):
        await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
