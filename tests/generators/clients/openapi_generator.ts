// SPDX-License-Identifier: MIT
// The calls of run.py with what OpenAPI Generator makes for TypeScript's fetch.
import {
  Configuration, Dtype, NativeApi, Problem, ProblemFromJSON, Reduction,
  ResponseError,
} from "./api/index";

const api = new NativeApi(new Configuration({ basePath: process.argv[2] }));
const batch = [[2, 1, 0], [0, 1, 2]];
const labels = [0, 1];

async function refused(): Promise<Problem> {
  try {
    await api.loss({
      lossRequest: { logits: [[1, 2, 3], [1, 2, 3]], labels: [0, 7] },
    });
  } catch (error) {
    if (error instanceof ResponseError && error.response.status === 422)
      return ProblemFromJSON(await error.response.json());
  }
  throw new Error("not refused");
}

async function main() {
  const problem = await refused();
  console.log(JSON.stringify({
    softmax: (await api.softmax({
      softmaxRequest: { logits: [1, 2, 3] },
    })).probabilities,
    softmax_batch: (await api.softmax({
      softmaxRequest: {
        logits: [[0.1, 0.2, 0.3], [4, 5, "-Infinity"]],
        dtype: Dtype.Float64, temperature: 2,
      },
    })).probabilities,
    query: (await api.softmax({
      softmaxRequest: { logits: [1, 2, 3] }, temperature: 2,
      include: ["argmax", "entropy"],
    })).probabilities,
    loss: (await api.loss({ lossRequest: { logits: batch, labels } })).loss,
    loss_none: (await api.loss({
      lossRequest: {
        logits: batch, labels, weights: [1, 2, 3], reduction: Reduction.None,
      },
    })).loss,
    gradient: (await api.gradient({
      gradientRequest: { logits: [1, 2, 3], labels: 2 },
    })).gradient,
    gradient_batch: (await api.gradient({
      gradientRequest: { logits: batch, labels, reduction: Reduction.Sum },
    })).gradient,
    pointer: problem.pointer,
    detail: problem.detail,
  }));
}
main();
