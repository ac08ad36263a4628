# SPDX-License-Identifier: MIT
"""Triton's client with tensors in shared memory, as its example programs use
it."""
import os

import numpy as np

from asking import (LABELS, LOGITS, native, same_bits, triton, triton_client,
                    triton_input)


def key(name):
    """Of this process alone: another run of this may be beside it."""
    return f"{name}_{os.getpid()}"


def triton_shared_memory(address):
    """What Triton's simple_http_shm_client.py does, in its order."""
    import tritonclient.utils
    import tritonclient.utils.shared_memory as shm
    client, size = triton_client(address), LOGITS.nbytes
    client.unregister_system_shared_memory()
    client.unregister_cuda_shared_memory()
    output = shm.create_shared_memory_region("output_data", key("/smx_out"), size)
    client.register_system_shared_memory("output_data", key("/smx_out"), size)
    data = shm.create_shared_memory_region("input_data", key("/smx_in"), 2 * size)
    shm.set_shared_memory_region(data, [LOGITS])
    shm.set_shared_memory_region(data, [LOGITS * 2], offset=size)
    client.register_system_shared_memory("input_data", key("/smx_in"), 2 * size)
    for offset, factor in ((0, 1), (size, 2)):
        logits = triton().InferInput("logits", LOGITS.shape, "FP32")
        logits.set_shared_memory("input_data", size, offset=offset)
        probabilities = triton().InferRequestedOutput("probabilities")
        probabilities.set_shared_memory("output_data", size)
        result = client.infer("softmax", [logits], outputs=[probabilities])
        told = result.get_output("probabilities")
        assert "data" not in told and "parameters" not in told, told
        got = shm.get_contents_as_numpy(
            output, tritonclient.utils.triton_to_np_dtype(told["datatype"]),
            told["shape"])
        same_bits(got, native(address, "/softmax", {
            "logits": (LOGITS * np.float32(factor)).tolist()})["probabilities"])
    status = client.get_system_shared_memory_status()
    assert [(r["name"], r["byte_size"]) for r in status] == [
        ("output_data", size), ("input_data", 2 * size)], status
    status = client.get_system_shared_memory_status("input_data")
    assert status[0]["key"].endswith(key("smx_in")), status
    assert client.get_cuda_shared_memory_status() == []
    client.unregister_system_shared_memory("input_data")
    assert len(client.get_system_shared_memory_status()) == 1
    client.unregister_system_shared_memory()
    assert client.get_system_shared_memory_status() == []
    assert len(shm.mapped_shared_memory_regions()) == 2
    for region in output, data:
        shm.destroy_shared_memory_region(region)


def triton_shared_memory_mixed(address):
    """A loss: one tensor of each kind in, one in memory and one as JSON out."""
    import tritonclient.utils.shared_memory as shm
    client = triton_client(address)
    half = LOGITS.astype(np.float16)
    data = shm.create_shared_memory_region("mixed", key("smx_mixed"),
                                           half.nbytes + 4 * 64)
    shm.set_shared_memory_region(data, [half])
    client.register_system_shared_memory("mixed", key("smx_mixed"),
                                         half.nbytes + 4 * 64)
    logits = triton().InferInput("logits", LOGITS.shape, "FP16")
    logits.set_shared_memory("mixed", half.nbytes)
    losses = triton().InferRequestedOutput("loss")
    losses.set_shared_memory("mixed", 4 * 64, half.nbytes)
    result = client.infer(
        "loss", [logits, triton_input("labels", LABELS, "INT64")],
        outputs=[losses, triton().InferRequestedOutput("rows", False)],
        parameters={"reduction": "none"})
    expected = native(address, "/loss", {
        "logits": half.astype(np.float32).tolist(),
        "labels": LABELS.tolist(), "reduction": "none"})
    same_bits(shm.get_contents_as_numpy(data, np.float32, [64],
                                        offset=half.nbytes), expected["loss"])
    assert result.as_numpy("rows")[0] == expected["rows"]
    client.unregister_system_shared_memory("mixed")
    shm.destroy_shared_memory_region(data)


def triton_shared_memory_refusals(address):
    import tritonclient.utils.shared_memory as shm
    client, said = triton_client(address), []

    def refused(call, *arguments, **named):
        try:
            call(*arguments, **named)
        except triton().InferenceServerException as error:
            said.append((error.status(), error.message()))
        else:
            said.append("taken")

    refused(client.register_system_shared_memory, "none", "/smx_nowhere", 64)
    refused(client.get_system_shared_memory_status, "none")
    refused(client.register_cuda_shared_memory, "gpu", b"handle", 0, 64)
    data = shm.create_shared_memory_region("small", key("/smx_small"), 64)
    refused(client.register_system_shared_memory, "small", key("/smx_small"), 65)
    client.register_system_shared_memory("small", key("/smx_small"), 64)
    refused(client.register_system_shared_memory, "small", key("/smx_small"), 64)
    logits = triton().InferInput("logits", [2, 8], "FP32")
    for offset in (4, 2**63 - 1):
        logits.set_shared_memory("small", 64, offset=offset)
        refused(client.infer, "softmax", [logits])
    client.unregister_system_shared_memory()
    shm.destroy_shared_memory_region(data)
    assert [word[0] for word in said] == [
        "400", "404", "501", "400", "400", "400", "400"], said
    assert not any("/dev/" in word[1] or "smx_" in word[1] for word in said)
