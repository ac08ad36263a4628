// SPDX-License-Identifier: MIT
//! The calls of run.py with what progenitor makes.
use serde_json::{json, Value};
use types::{
    Dtype, GradientRequest, IntegerPerRow, LossRequest, Problem, Reduction, SoftmaxIncludeItem,
    SoftmaxRequest, Tensor, Weights,
};

progenitor::generate_api!(spec = "openapi-3.0.3.json", interface = Builder);

fn tensor(value: Value) -> Tensor {
    serde_json::from_value(value).unwrap()
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error<Problem>> {
    let api = Client::new(&std::env::args().nth(1).unwrap());
    let row = || tensor(json!([1, 2, 3]));
    let batch = || tensor(json!([[2, 1, 0], [0, 1, 2]]));
    let labels = || IntegerPerRow(json!([0, 1]));

    let of_row = SoftmaxRequest::builder().logits(row());
    let softmax = api.softmax().body(of_row.clone()).send().await?;
    let query = api
        .softmax()
        .temperature(2.0)
        .include(vec![SoftmaxIncludeItem::Argmax, SoftmaxIncludeItem::Entropy])
        .body(of_row)
        .send()
        .await?;
    let of_rows = SoftmaxRequest::builder()
        .dtype(Dtype::Float64)
        .temperature(2.0)
        .logits(tensor(json!([[0.1, 0.2, 0.3], [4, 5, "-Infinity"]])));
    let softmax_batch = api.softmax().body(of_rows).send().await?;

    let of_rows = LossRequest::builder().logits(batch()).labels(labels());
    let loss = api.loss().body(of_rows.clone()).send().await?;
    let of_each = of_rows
        .weights(Weights(vec![1.0, 2.0, 3.0]))
        .reduction(Reduction::None);
    let loss_none = api.loss().body(of_each).send().await?;

    let of_row = GradientRequest::builder().logits(row()).labels(IntegerPerRow(json!(2)));
    let gradient = api.gradient().body(of_row).send().await?;
    let of_rows = GradientRequest::builder()
        .logits(batch())
        .labels(labels())
        .reduction(Reduction::Sum);
    let gradient_batch = api.gradient().body(of_rows).send().await?;

    let wrong = LossRequest::builder()
        .logits(tensor(json!([[1, 2, 3], [1, 2, 3]])))
        .labels(IntegerPerRow(json!([0, 7])));
    let problem: Problem = match api.loss().body(wrong).send().await {
        Err(Error::ErrorResponse(refusal)) if refusal.status() == 422 => refusal.into_inner(),
        _ => panic!("not refused"),
    };
    println!(
        "{}",
        json!({
            "softmax": softmax.probabilities, "query": query.probabilities,
            "softmax_batch": softmax_batch.probabilities,
            "loss": loss.loss, "loss_none": loss_none.loss,
            "gradient": gradient.gradient, "gradient_batch": gradient_batch.gradient,
            "pointer": problem.pointer, "detail": problem.detail,
        })
    );
    Ok(())
}
