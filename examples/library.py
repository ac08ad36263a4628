# SPDX-License-Identifier: MIT
# libsoftmax in the process through ctypes, without a compiler.
# Prints: [0.090030573, 0.24472848, 0.66524094]
import ctypes
import os
from ctypes import POINTER, byref, c_bool, c_double, c_int, c_size_t, c_void_p

library = ctypes.CDLL(os.environ.get("LIBSOFTMAX", "libsoftmax.so.1"))


class Logits(ctypes.Structure):  # struct smx_logits
    _fields_ = [("size", c_size_t), ("data", c_void_p), ("dtype", c_int),
                ("outer", c_size_t), ("classes", c_size_t),
                ("inner", c_size_t), ("stride", c_size_t),
                ("out_stride", c_size_t), ("temperature", c_double),
                ("softcap", c_double), ("mask", c_void_p), ("mask_per_class", c_bool)]


class Out(ctypes.Structure):  # struct smx_softmax_out
    _fields_ = [("size", c_size_t), ("values", c_void_p),
                ("indices", c_void_p), ("logsumexp", c_void_p),
                ("entropy", c_void_p), ("argmax", c_void_p),
                ("rank", c_void_p), ("early", c_bool)]


library.smx_softmax.argtypes = [c_void_p, POINTER(Logits), c_void_p,
                                POINTER(Out), c_void_p]
context = c_void_p()
if library.smx_context_create(byref(context), None):
    raise MemoryError
z, p = (ctypes.c_float * 3)(1, 2, 3), (ctypes.c_float * 3)()
logits = Logits(size=ctypes.sizeof(Logits), data=ctypes.addressof(z), outer=1,
                classes=3)
out = Out(size=ctypes.sizeof(Out), values=ctypes.addressof(p))
if library.smx_softmax(context, byref(logits), None, byref(out), None):
    raise ValueError
print([float(f"{value:.8g}") for value in p])
library.smx_context_free(context)
