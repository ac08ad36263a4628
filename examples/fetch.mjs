// SPDX-License-Identifier: MIT
// JavaScript: Node 18 and newer, Deno, Bun, or a page that the daemon's origin
// serves (the daemon sends no CORS headers).
// Prints: [ 0.09003057, 0.24472848, 0.66524094 ]
// Prints: [ 0, 0.26894143, 0.7310586 ]
// Prints: labels: got 7 in row 0, must be in [0, 3) or ignore_index -100
const URL = process.env.SOFTMAXD_URL ?? "http://127.0.0.1:8080";

async function ask(path, members) {
  const answer = await fetch(URL + path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    // JSON.stringify writes null for an infinity; the daemon reads this string
    body: JSON.stringify(members, (_, value) =>
      value === -Infinity ? "-Infinity" : value),
  });
  const body = await answer.json();
  if (!answer.ok) throw new Error(body.detail);
  return body;
}

console.log((await ask("/softmax", { logits: [1, 2, 3] })).probabilities);
console.log(
  (await ask("/softmax", { logits: [-Infinity, 2, 3] })).probabilities);
try {
  await ask("/loss", { logits: [[1, 2, 3]], labels: [7] });
} catch (error) {
  console.log(error.message);
}
