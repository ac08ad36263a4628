# SPDX-License-Identifier: MIT
# R with httr2 and jsonlite: Rscript client.R
# Prints: 0.09003057 0.2447285 0.6652409
# Prints: 0.9076059
library(httr2)

url <- Sys.getenv("SOFTMAXD_URL", "http://127.0.0.1:8080")

ask <- function(path, ...) {
  answer <- request(url) |>
    req_url_path_append(path) |>
    # auto_unbox would make a single label a bare number
    req_body_json(list(...), auto_unbox = FALSE, digits = NA) |>
    req_error(body = \(resp) resp_body_json(resp, check_type = FALSE)$detail) |>
    req_perform()
  resp_body_json(answer, simplifyVector = TRUE)
}

z <- rbind(c(2, 1, 0), c(0, 1, 2))
cat(ask("softmax", logits = c(1, 2, 3))$probabilities, "\n")
cat(ask("loss", logits = z, labels = c(0L, 1L))$loss, "\n")
