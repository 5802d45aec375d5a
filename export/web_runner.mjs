// Runs a model with onnxruntime-web (WebAssembly) for runtimes.py:
//   node web_runner.mjs MODEL NODE_MODULES THREADS
// stdin:  four int32 (the shape) and the float32 values of an image, again and again
// stdout: the float32 values of each result
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

const [model, modules, threads] = process.argv.slice(2);
const ort = createRequire(path.resolve(modules, "here.js"))("onnxruntime-web");
ort.env.wasm.numThreads = Number(threads);
const session = await ort.InferenceSession.create(fs.readFileSync(model), {
  executionProviders: ["wasm"],
});

/** Returns the next `length` bytes of stdin, or null at its end. */
function read(length) {
  const buffer = new Uint8Array(length);
  for (let filled = 0; filled < length; ) {
    const count = fs.readSync(0, buffer, filled, length - filled, null);
    if (count === 0) return null;
    filled += count;
  }
  return buffer.buffer;
}

for (let header; (header = read(16)); ) {
  const shape = [...new Int32Array(header)];
  const values = new Float32Array(read(4 * shape.reduce((a, b) => a * b)));
  const image = new ort.Tensor("float32", values, shape);
  const { restored } = await session.run({ image });
  const { buffer, byteOffset, byteLength } = restored.data;
  const bytes = new Uint8Array(buffer, byteOffset, byteLength);
  await new Promise((done) => process.stdout.write(bytes, done));
}
process.exit(0);
