// SPDX-License-Identifier: MIT

// Go's standard library, 1.22 or newer: go run client.go
// Prints: [0.09003057 0.24472848 -0.33475906]
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

func main() {
	url := cmp.Or(os.Getenv("SOFTMAXD_URL"), "http://127.0.0.1:8080")
	body, err := json.Marshal(map[string]any{"logits": []float32{1, 2, 3}, "labels": 2})
	if err != nil {
		log.Fatal(err)
	}
	response, err := http.Post(url+"/gradient", "application/json", bytes.NewReader(body))
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()
	var answer struct {
		Gradient []float32
		Detail   string // what is wrong, where there is no gradient
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		log.Fatal(err)
	}
	if answer.Detail != "" {
		log.Fatal(answer.Detail)
	}
	fmt.Println(answer.Gradient)
}
