"""Ask the processor for memory that is going to be used: the one thing that Numba has no word for.

Imported when it is first used: Numba is slow to import.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from llvmlite import ir
from numba import types  # noqa: TID253 - this module is itself imported only when it is used
from numba.core import cgutils  # noqa: TID253
from numba.extending import intrinsic  # noqa: TID253

LINE_BYTES = 64


def _prefetch(_: Any, array: Any, _row: Any, _line: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        held = context.make_array(signature.args[0])(context, builder, arguments[0])
        byte, word = ir.IntType(8).as_pointer(), ir.IntType(32)
        unpacked = cast(Any, cgutils.unpack_tuple)
        lines = builder.mul(arguments[2], ir.Constant(arguments[2].type, LINE_BYTES))
        offset = builder.add(builder.mul(arguments[1], unpacked(builder, held.strides, 1)[0]), lines)
        place = builder.gep(builder.bitcast(held.data, byte), [offset])
        shape = ir.FunctionType(ir.VoidType(), [byte, word, word, word])
        ask = builder.module.declare_intrinsic("llvm.prefetch", [byte], shape)
        builder.call(ask, [place, word(1), word(3), word(1)])  # to be written, to be kept, data
        return context.get_dummy_value()

    return types.void(array, types.intp, types.intp), generate


prefetch = cast("Callable[[Any, int, np.int64], None]", intrinsic(_prefetch))
"""Begin to load one line (its number) of one record (its row) of an array ``[n]``, in machine code.

It changes nothing but the time that reading it takes; a line beyond the end of the array does no harm.
"""
