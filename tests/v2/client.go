// SPDX-License-Identifier: MIT

// A binary inference request built by hand from the specification.
// usage: go run client.go http://127.0.0.1:PORT
package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
)

type tensor struct {
	Name       string         `json:"name"`
	Shape      []int          `json:"shape,omitempty"`
	Datatype   string         `json:"datatype,omitempty"`
	Parameters map[string]any `json:"parameters,omitempty"`
	Data       []float64      `json:"data,omitempty"`
}

type message struct {
	ID      string   `json:"id"`
	Inputs  []tensor `json:"inputs,omitempty"`
	Outputs []tensor `json:"outputs"`
}

func post(url, headerLength string, body []byte) (*http.Response, []byte) {
	request, err := http.NewRequest("POST", url, bytes.NewReader(body))
	if err != nil {
		log.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	if headerLength != "" {
		request.Header.Set("Content-Type", "application/octet-stream")
		request.Header.Set("Inference-Header-Content-Length", headerLength)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		log.Fatal(err)
	}
	if response.StatusCode != http.StatusOK {
		log.Fatalf("status %d: %s", response.StatusCode, answer)
	}
	return response, answer
}

// gradient asks for the gradient with logits and labels as bytes.
func gradient(base string) []float32 {
	header, err := json.Marshal(message{
		ID: "go-1",
		Inputs: []tensor{
			{Name: "labels", Shape: []int{2}, Datatype: "INT32",
				Parameters: map[string]any{"binary_data_size": 8}},
			{Name: "logits", Shape: []int{2, 3}, Datatype: "FP32",
				Parameters: map[string]any{"binary_data_size": 24}},
		},
		Outputs: []tensor{{Name: "gradient",
			Parameters: map[string]any{"binary_data": true}}},
	})
	if err != nil {
		log.Fatal(err)
	}
	body := bytes.NewBuffer(append([]byte{}, header...))
	for _, part := range []any{[]int32{2, 0},
		[]float32{1, 2, 3, 0.5, -1, 88}} {
		if err := binary.Write(body, binary.LittleEndian, part); err != nil {
			log.Fatal(err)
		}
	}
	response, answer := post(base+"/v2/models/gradient/versions/1/infer",
		strconv.Itoa(len(header)), body.Bytes())
	length, err := strconv.Atoi(
		response.Header.Get("Inference-Header-Content-Length"))
	if err != nil {
		log.Fatal(err)
	}
	var got message
	if err := json.Unmarshal(answer[:length], &got); err != nil {
		log.Fatal(err)
	}
	if got.ID != "go-1" || len(answer) != length+24 {
		log.Fatalf("unexpected answer %s", answer[:length])
	}
	values := make([]float32, 6)
	err = binary.Read(bytes.NewReader(answer[length:]), binary.LittleEndian,
		values)
	if err != nil {
		log.Fatal(err)
	}
	return values
}

func main() {
	base := os.Args[1]
	got := gradient(base)
	_, text := post(base+"/gradient", "", []byte(
		`{"logits":[[1,2,3],[0.5,-1,88]],"labels":[2,0]}`))
	var native struct {
		Gradient [][]float32 `json:"gradient"`
	}
	if err := json.Unmarshal(text, &native); err != nil {
		log.Fatal(err)
	}
	expected := append(native.Gradient[0], native.Gradient[1]...)
	if fmt.Sprint(got) != fmt.Sprint(expected) {
		log.Fatalf("got %v, expected %v", got, expected)
	}
}
