// SPDX-License-Identifier: MIT
// A binary inference request built by hand from the specification (Node 18+).
// usage: node client.mjs http://127.0.0.1:PORT
const base = process.argv[2];

const logits = Float32Array.of(1, 2, 3, 0.5, -1, 88);
const header = new TextEncoder().encode(JSON.stringify({
  id: 'node-1',
  inputs: [{
    name: 'logits', shape: [2, 3], datatype: 'FP32',
    parameters: {binary_data_size: logits.byteLength},
  }],
  outputs: [{name: 'probabilities', parameters: {binary_data: true}}],
}));

// The specification is little-endian, whatever this machine is.
const tensor = new DataView(new ArrayBuffer(logits.byteLength));
logits.forEach((value, i) => tensor.setFloat32(4 * i, value, true));

const response = await fetch(`${base}/v2/models/softmax/infer`, {
  method: 'POST',
  headers: {
    'Content-Type': 'application/octet-stream',
    'Inference-Header-Content-Length': String(header.byteLength),
  },
  body: Buffer.concat([header, Buffer.from(tensor.buffer)]),
});
const body = Buffer.from(await response.arrayBuffer());
if (response.status !== 200)
  throw new Error(`status ${response.status}: ${body}`);
const length = Number(response.headers.get('inference-header-content-length'));
const answer = JSON.parse(body.subarray(0, length).toString());
const [output] = answer.outputs;
if (answer.id !== 'node-1' || output.datatype !== 'FP32' ||
    output.parameters.binary_data_size !== body.length - length)
  throw new Error(`unexpected header ${JSON.stringify(answer)}`);
const got = Array.from({length: 6}, (_, i) => body.readFloatLE(length + 4 * i));

// The same in the native form: shortest digits read back to the same bits.
const native = await (await fetch(`${base}/softmax`, {
  method: 'POST',
  headers: {'Content-Type': 'application/json'},
  body: JSON.stringify({logits: [[1, 2, 3], [0.5, -1, 88]]}),
})).json();
const expected = native.probabilities.flat().map(Math.fround);
if (got.length !== expected.length || got.some((v, i) => v !== expected[i]))
  throw new Error(`got ${got}, expected ${expected}`);
