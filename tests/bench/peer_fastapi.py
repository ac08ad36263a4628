# SPDX-License-Identifier: MIT
"""FastAPI and PyTorch as a peer of bench_http.py: /softmax as the tutorials
write it, /fast with every layer taken out that can be."""
import json
from typing import List

import torch
from fastapi import FastAPI, Request
from pydantic import BaseModel
from starlette.responses import Response

torch.set_num_threads(1)
app = FastAPI()


class Logits(BaseModel):
    logits: List[List[float]]


def compute(rows):
    return torch.softmax(torch.tensor(rows), dim=-1).tolist()


@app.post("/softmax")
def softmax(body: Logits):
    return {"probabilities": compute(body.logits)}


@app.post("/fast")
async def fast(request: Request):
    rows = json.loads(await request.body())["logits"]
    return Response(json.dumps({"probabilities": compute(rows)}),
                    media_type="application/json")
