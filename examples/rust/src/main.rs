// SPDX-License-Identifier: MIT
//! Rust with ureq and serde: cargo run
//! Prints: [0.09003057, 0.24472848, -0.33475906] 0.40760598
use serde::{Deserialize, Serialize};

#[derive(Serialize)]
struct Request<'a> {
    logits: &'a [f32],
    labels: i64,
}

#[derive(Deserialize)]
struct Answer {
    gradient: Vec<f32>,
    loss: f32,
}

fn main() -> Result<(), ureq::Error> {
    let url = std::env::var("SOFTMAXD_URL").unwrap_or("http://127.0.0.1:8080".into());
    let request = Request {
        logits: &[1.0, 2.0, 3.0],
        labels: 2,
    };
    let answer: Answer = ureq::post(format!("{url}/gradient"))
        .send_json(&request)?
        .body_mut()
        .read_json()?;
    println!("{:?} {}", answer.gradient, answer.loss);
    Ok(())
}
