#!/bin/sh
# SPDX-License-Identifier: MIT
# Shell with curl and jq: the class and the probability that each row of a CSV
# file of logits gets.
# Prints: 2 0.66524094
# Prints: 0 0.55029464
set -eu
url=${SOFTMAXD_URL:-http://127.0.0.1:8080}

printf '1,2,3\n2,1,1.2\n' |
    jq -R 'split(",") | map(tonumber)' |
    jq -s '{logits: ., top_k: 1}' |
    curl -sS --fail-with-body "$url/softmax" \
        -H 'Content-Type: application/json' -d @- |
    jq -r '[.indices[][0], .probabilities[][0]] |
           [.[: length / 2], .[length / 2 :]] | transpose[] | "\(.[0]) \(.[1])"'
