// SPDX-License-Identifier: MIT
// The calls of run.py with openapi-fetch on openapi-typescript's types.
import createClient from "openapi-fetch";
import type { paths } from "./schema.js";

const api = createClient<paths>({ baseUrl: process.argv[2]! });
const batch = [[2, 1, 0], [0, 1, 2]];
const labels = [0, 1];

const softmax = await api.POST("/softmax", { body: { logits: [1, 2, 3] } });
const softmaxBatch = await api.POST("/softmax", {
  body: {
    dtype: "float64", temperature: 2,
    logits: [[0.1, 0.2, 0.3], [4, 5, "-Infinity"]],
  },
});
const query = await api.POST("/softmax", {
  params: { query: { temperature: 2, include: ["argmax", "entropy"] } },
  body: { logits: [1, 2, 3] },
});
const loss = await api.POST("/loss", { body: { logits: batch, labels } });
const lossNone = await api.POST("/loss", {
  body: { logits: batch, labels, weights: [1, 2, 3], reduction: "none" },
});
const gradient = await api.POST("/gradient", {
  body: { logits: [1, 2, 3], labels: 2 },
});
const gradientBatch = await api.POST("/gradient", {
  body: { logits: batch, labels, reduction: "sum" },
});
const wrong = await api.POST("/loss", {
  body: { logits: [[1, 2, 3], [1, 2, 3]], labels: [0, 7] },
});
const detail: string | undefined = wrong.error?.detail;
console.log(JSON.stringify({
  softmax: softmax.data?.probabilities,
  softmax_batch: softmaxBatch.data?.probabilities,
  query: query.data?.probabilities,
  loss: loss.data?.loss,
  loss_none: lossNone.data?.loss,
  gradient: gradient.data?.gradient,
  gradient_batch: gradientBatch.data?.gradient,
  pointer: wrong.error?.pointer,
  detail,
}));
