// SPDX-License-Identifier: MIT

// The calls of run.py with what OpenAPI Generator makes for Go.
package main

import (
	"context"
	"encoding/json"
	"log"
	"os"

	api "github.com/GIT_USER_ID/GIT_REPO_ID"
)

var (
	ctx    = context.Background()
	native *api.NativeAPIService
)

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func softmax(request api.SoftmaxRequest) any {
	answer, _, err := native.Softmax(ctx).SoftmaxRequest(request).Execute()
	check(err)
	return answer.Probabilities
}

func query(request api.SoftmaxRequest) any {
	answer, _, err := native.Softmax(ctx).SoftmaxRequest(request).Temperature(2).
		Include([]string{"argmax", "entropy"}).Execute()
	check(err)
	return answer.Probabilities
}

func loss(request api.LossRequest) any {
	answer, _, err := native.Loss(ctx).LossRequest(request).Execute()
	check(err)
	return answer.Loss
}

func gradient(request api.GradientRequest) any {
	answer, _, err := native.Gradient(ctx).GradientRequest(request).Execute()
	check(err)
	return answer.Gradient
}

func refused(request api.LossRequest) api.Problem {
	_, _, err := native.Loss(ctx).LossRequest(request).Execute()
	return err.(*api.GenericOpenAPIError).Model().(api.Problem)
}

func main() {
	configuration := api.NewConfiguration()
	configuration.Servers = api.ServerConfigurations{{URL: os.Args[1]}}
	native = api.NewAPIClient(configuration).NativeAPI

	row := []any{1, 2, 3}
	batch := []any{[]int{2, 1, 0}, []int{0, 1, 2}}
	labels := []int64{0, 1}
	problem := refused(api.LossRequest{Logits: []any{row, row}, Labels: []int{0, 7}})
	check(json.NewEncoder(os.Stdout).Encode(map[string]any{
		"softmax": softmax(api.SoftmaxRequest{Logits: row}),
		"softmax_batch": softmax(api.SoftmaxRequest{
			Dtype: api.FLOAT64.Ptr(), Temperature: api.PtrFloat64(2),
			Logits: []any{[]float64{0.1, 0.2, 0.3}, []any{4, 5, "-Infinity"}}}),
		"query": query(api.SoftmaxRequest{Logits: row}),
		"loss": loss(api.LossRequest{Logits: batch, Labels: labels}),
		"loss_none": loss(api.LossRequest{Logits: batch, Labels: labels,
			Weights: []float64{1, 2, 3}, Reduction: api.NONE.Ptr()}),
		"gradient": gradient(api.GradientRequest{Logits: row, Labels: 2}),
		"gradient_batch": gradient(api.GradientRequest{
			Logits: batch, Labels: labels, Reduction: api.SUM.Ptr()}),
		"pointer": problem.Pointer,
		"detail":  problem.Detail,
	}))
}
