// SPDX-License-Identifier: MIT

// The calls of run.py with what oapi-codegen makes.
package main

import (
	"context"
	"encoding/json"
	"log"
	"os"

	"softmaxd.test/client/api"
)

var (
	ctx    = context.Background()
	client *api.ClientWithResponses
)

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func softmax(request api.SoftmaxRequest) any {
	answer, err := client.SoftmaxWithResponse(ctx, nil, request)
	check(err)
	return answer.JSON200.Probabilities
}

func query(request api.SoftmaxRequest) any {
	answer, err := client.SoftmaxWithResponse(ctx, &api.SoftmaxParams{
		Temperature: pointer(2.0),
		Include: &api.SoftmaxIncludeOption{"argmax", "entropy"}}, request)
	check(err)
	return answer.JSON200.Probabilities
}

func loss(request api.LossRequest) any {
	answer, err := client.LossWithResponse(ctx, nil, request)
	check(err)
	return answer.JSON200.Loss
}

func gradient(request api.GradientRequest) any {
	answer, err := client.GradientWithResponse(ctx, nil, request)
	check(err)
	return answer.JSON200.Gradient
}

func refused(request api.LossRequest) *api.Problem {
	answer, err := client.LossWithResponse(ctx, nil, request)
	check(err)
	return (*api.Problem)(answer.ApplicationproblemJSON422)
}

func pointer[T any](value T) *T { return &value }

func main() {
	var err error
	client, err = api.NewClientWithResponses(os.Args[1])
	check(err)

	row := api.Tensor{1, 2, 3}
	batch := api.Tensor{[]int{2, 1, 0}, []int{0, 1, 2}}
	labels := pointer[api.IntegerPerRow]([]int{0, 1})
	problem := refused(api.LossRequest{Logits: api.Tensor{row, row},
		Labels: pointer[api.IntegerPerRow]([]int{0, 7})})
	check(json.NewEncoder(os.Stdout).Encode(map[string]any{
		"softmax": softmax(api.SoftmaxRequest{Logits: row}),
		"softmax_batch": softmax(api.SoftmaxRequest{
			Dtype: pointer(api.Float64), Temperature: pointer(2.0),
			Logits: api.Tensor{[]float64{0.1, 0.2, 0.3},
				[]any{4, 5, "-Infinity"}}}),
		"query": query(api.SoftmaxRequest{Logits: row}),
		"loss": loss(api.LossRequest{Logits: batch, Labels: labels}),
		"loss_none": loss(api.LossRequest{Logits: batch, Labels: labels,
			Weights: &[]float64{1, 2, 3}, Reduction: pointer(api.None)}),
		"gradient": gradient(api.GradientRequest{Logits: row,
			Labels: pointer[api.IntegerPerRow](2)}),
		"gradient_batch": gradient(api.GradientRequest{Logits: batch,
			Labels: labels, Reduction: pointer(api.Sum)}),
		"pointer": problem.Pointer,
		"detail":  problem.Detail,
	}))
}
