// SPDX-License-Identifier: MIT

// Go's standard library: go run client.go
// Prints: [0.09003057 0.24472848 -0.33475906] 0.40760598
package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"os"
)

type answer struct {
	Gradient []float32
	Loss     float32
	Detail   string // what is wrong, where the status is not 200
}

func ask(path string, request any) (got answer, err error) {
	body, err := json.Marshal(request)
	if err != nil {
		return got, err
	}
	url := cmp.Or(os.Getenv("SOFTMAXD_URL"), "http://127.0.0.1:8080") + path
	response, err := http.Post(url, "application/json", bytes.NewReader(body))
	if err != nil {
		return got, err
	}
	defer response.Body.Close()
	if err = json.NewDecoder(response.Body).Decode(&got); err == nil && got.Detail != "" {
		err = fmt.Errorf("%s: %s", response.Status, got.Detail)
	}
	return got, err
}

func main() {
	got, err := ask("/gradient", map[string]any{"logits": []float32{1, 2, 3}, "labels": 2})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(got.Gradient, got.Loss)
}
