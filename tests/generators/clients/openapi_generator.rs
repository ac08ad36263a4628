// SPDX-License-Identifier: MIT
//! The calls of run.py with what OpenAPI Generator makes for Rust.
use openapi::apis::configuration::Configuration;
use openapi::apis::native_api::{self as native, GradientError, LossError, SoftmaxError};
use openapi::apis::Error;
use openapi::models::{
    Dtype, GradientAnswer, GradientRequest, LossAnswer, LossRequest, Reduction, SoftmaxAnswer,
    SoftmaxRequest,
};
use serde_json::{json, Value};

fn list(value: Value) -> Vec<Value> {
    value.as_array().unwrap().clone()
}

// Each option that may stand in the query string is an argument.

async fn softmax(
    api: &Configuration,
    request: SoftmaxRequest,
) -> Result<SoftmaxAnswer, Error<SoftmaxError>> {
    native::softmax(api, request, None, None, None, None, None, None, None, None, None).await
}

async fn loss(
    api: &Configuration,
    request: LossRequest,
) -> Result<LossAnswer, Error<LossError>> {
    native::loss(
        api, request, None, None, None, None, None, None, None, None, None, None, None, None, None,
        None, None,
    )
    .await
}

async fn gradient(
    api: &Configuration,
    request: GradientRequest,
) -> Result<GradientAnswer, Error<GradientError>> {
    native::gradient(
        api, request, None, None, None, None, None, None, None, None, None, None, None, None, None,
        None, None, None,
    )
    .await
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let api = &Configuration {
        base_path: std::env::args().nth(1).unwrap(),
        ..Default::default()
    };
    let batch = || list(json!([[2, 1, 0], [0, 1, 2]]));
    let labels = Some(Some(json!([0, 1])));

    let row = softmax(api, SoftmaxRequest::new(list(json!([1, 2, 3])))).await?;
    let mut request = SoftmaxRequest::new(list(json!([[0.1, 0.2, 0.3], [4, 5, "-Infinity"]])));
    request.dtype = Some(Dtype::Float64);
    request.temperature = Some(2.0);
    let rows = softmax(api, request).await?;

    let request = SoftmaxRequest::new(list(json!([1, 2, 3])));
    let include = vec!["argmax".into(), "entropy".into()];
    let query = native::softmax(
        api, request, None, None, Some(2.0), None, None, None, None, Some(include), None,
    )
    .await?;

    let mut request = LossRequest::new(batch());
    request.labels = labels.clone();
    let mean = loss(api, request.clone()).await?;
    request.weights = Some(vec![1.0, 2.0, 3.0]);
    request.reduction = Some(Reduction::None);
    let none = loss(api, request).await?;

    let mut request = GradientRequest::new(list(json!([1, 2, 3])));
    request.labels = Some(Some(json!(2)));
    let of_row = gradient(api, request).await?;
    let mut request = GradientRequest::new(batch());
    request.labels = labels;
    request.reduction = Some(Reduction::Sum);
    let of_rows = gradient(api, request).await?;

    let mut request = LossRequest::new(list(json!([[1, 2, 3], [1, 2, 3]])));
    request.labels = Some(Some(json!([0, 7])));
    let problem = match loss(api, request).await {
        Err(Error::ResponseError(refusal)) if refusal.status == 422 => match refusal.entity {
            Some(LossError::Status400(problem)) | Some(LossError::Status422(problem)) => problem,
            _ => panic!("an error that is no problem"),
        },
        _ => panic!("not refused"),
    };
    println!(
        "{}",
        json!({
            "softmax": row.probabilities, "softmax_batch": rows.probabilities,
            "query": query.probabilities,
            "loss": mean.loss, "loss_none": none.loss,
            "gradient": of_row.gradient, "gradient_batch": of_rows.gradient,
            "pointer": problem.pointer, "detail": problem.detail,
        })
    );
    Ok(())
}
